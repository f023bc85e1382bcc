"""The record of a release: what it was made from, by what, and the digest of every file, so that it can be checked."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from corpusmith import __version__
from corpusmith.errors import ReleaseError
from corpusmith.release.inputs import Release
from corpusmith.release.summary import Summary

NAME = "manifest.json"
_SECRET = re.compile(r"(?:^|_)(?:token|api_?key|password|secret|salt|authorization)$", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^/@\s]+@|(?<=[?&])([^=&\s]*(?:token|key|secret|password|signature)[^=&\s]*)=[^&\s]+")


@dataclass(frozen=True)
class Manifest:
    """What manifest.json holds.

    plan: BLAKE2b of the keys of all rows that were planned. content: SHA-256 of what a version stands for: its rows,
    its rejected rows and the settings; a rebuild at another commit, or one that took longer, is the same content.
    code: version of corpusmith, and its git commit where there is one. models: provenance by fingerprint.
    files: path → sha256, bytes and, of Parquet, rows. There is no time in it: an unchanged rebuild is the same bytes.
    """

    corpus: str
    version: str
    content: str
    plan: str
    code: Mapping[str, str | None]
    counts: Mapping[str, Any]
    sources: list[dict[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    params: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> str:
        """The same text for the same content."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, default=str) + "\n"


def read(folder: Path) -> Manifest:
    """The manifest of a release folder. Raises ReleaseError when there is none, or it is not one."""
    path = folder / NAME
    if folder.is_file():
        raise ReleaseError(f"{folder} is a file; expected the folder of a release, such as data/reddit")
    try:
        return _checked(Manifest(**json.loads(path.read_text())))
    except FileNotFoundError:
        raise ReleaseError(f"{folder} is no release: it has no {NAME}; build one with `corpusmith build`") from None
    except OSError as error:
        raise ReleaseError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise ReleaseError(f"{path} is not the manifest of a release ({error}); build or pull it again") from None


def _checked(said: Manifest) -> Manifest:
    """The manifest, if its parts are of the types that others rely on. Raises TypeError."""
    if wrong := [name for name in ("corpus", "version") if not isinstance(getattr(said, name), str)]:
        raise TypeError(f"{', '.join(wrong)} is no text")
    tables = ("code", "counts", "models", "params", "files")
    if wrong := [name for name in tables if not isinstance(getattr(said, name), Mapping)]:
        raise TypeError(f"{', '.join(wrong)} is no table")
    if "rows" not in said.counts:
        raise TypeError("counts lacks rows")
    if lacking := [name for name, held in said.files.items() if not {"sha256", "bytes"} <= set(held)]:
        raise TypeError(f"{lacking[0]} of files lacks sha256 or bytes")
    return said


def of(folder: Path, release: Release, summary: Summary, plan: str, known: Mapping[str, str]) -> Manifest:
    """The manifest of the files that lie in ``folder``; the digests of some are ``known``."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    files = {name: _file(folder / name, known.get(name)) for name in names}
    params = redacted(release.params)
    return Manifest(
        corpus=release.corpus,
        version=release.version,
        content=_content(release, params, plan, files),
        plan=plan,
        code={"corpusmith": __version__, "commit": commit()},
        counts=counts(summary, release),
        sources=[asdict(source) for source in sorted(release.sources, key=lambda source: source.name)],
        models={name: redacted(release.makers[name]) for name in sorted(release.makers)},
        params=params,
        files=files,
    )


def check(folder: Path) -> Manifest:
    """The manifest, if every file is there, is as it was written, and no other lies beside.

    Raises one ReleaseError that names every file that is not as recorded: stored and expected value, and what to do.
    """
    manifest = read(folder)
    wrong = []
    for name, said in manifest.files.items():
        path = safe(folder, name)
        if not path.is_file():
            wrong.append(f"{name}: missing")
        elif path.stat().st_size != said["bytes"]:
            wrong.append(f"{name}: {path.stat().st_size} bytes, expected {said['bytes']}")
        elif (found := sha256(path)) != said["sha256"]:
            wrong.append(f"{name}: sha256 {found}, expected {said['sha256']}")
    wrong += [f"{name}: not in the manifest" for name in _visible(folder) if name not in {NAME, *manifest.files}]
    if wrong:
        raise ReleaseError(
            f"{folder} is not what was released as {manifest.corpus} {manifest.version}:\n  "
            + "\n  ".join(wrong)
            + "\npull or build it again"
        )
    return manifest


def counts(summary: Summary, release: Release) -> dict[str, Any]:
    """Rows by split, by the columns of origin and label, and rejected rows by reason."""
    by_reason = summary.reasons.group_by("reason", maintain_order=True).agg(pl.col("rows").sum())
    return {
        "made": dict(release.made),
        "rows": summary.rows,
        "by_split": summary.count("split"),
        f"by_{release.text.origin}": summary.count("origin"),
        f"by_{release.text.label}": summary.count("label"),
        "rejected": summary.rejected,
        "rejected_by_reason": dict(by_reason.rows()),
    }


def plan_hash(*tables: pl.LazyFrame) -> str:
    """128-bit BLAKE2b of all keys in their order, as 32 hexadecimal digits: the same plan, the same hash."""
    keys = pl.concat([table.select("key") for table in tables]).sort("key").collect(engine="streaming")
    digest = hashlib.blake2b(digest_size=16)
    for part in keys.iter_slices(1 << 16):
        digest.update("\n".join(part["key"].to_list()).encode() + b"\n")
    return digest.hexdigest()


def redacted(value: Any) -> Any:
    """Plain data without secrets: values under names such as api_key or salt, and credentials in URLs."""
    if isinstance(value, Mapping):
        return {
            str(name): "***" if _SECRET.search(str(name)) and held else redacted(held) for name, held in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(held) for held in value]
    if isinstance(value, str):
        return _IN_URL.sub(lambda found: f"{found[1]}=***" if found[1] else "***@", value)
    return value


@functools.cache
def commit() -> str | None:
    """The git commit that corpusmith's own files were checked out at, with ``+changes`` where they differ from it."""
    package = Path(__file__).parents[1]

    def git(*args: str) -> str | None:
        try:
            ran = subprocess.run(["git", "-C", str(package), *args], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return ran.stdout.strip()

    if git("ls-files", "--error-unmatch", "__init__.py") is None:  # installed, inside somebody else's repository
        return None
    head = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "..", ":!../dvc.lock", ":!../params.yaml")
    return f"{head}+changes" if head and changed else head


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each shard, by its path in the release."""
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(folder.glob("*/*.parquet"))}


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe(folder: Path, name: str) -> Path:
    """The path of a manifest's file. Raises ReleaseError for one that would lie outside the folder."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name:
        raise ReleaseError(f"{folder / NAME} names the file {name!r}, which lies outside the release")
    return folder / relative


def _file(path: Path, digest: str | None) -> dict[str, Any]:
    said: dict[str, Any] = {"sha256": digest or sha256(path), "bytes": path.stat().st_size}
    if path.suffix == ".parquet":
        said["rows"] = pl.scan_parquet(path).select(pl.len()).collect().item()
    return said


def _visible(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def _content(release: Release, params: Any, plan: str, files: Mapping[str, Mapping[str, Any]]) -> str:
    rows = {name: said["sha256"] for name, said in files.items() if name.startswith(("data/", "rejected/"))}
    stands_for = {"corpus": release.corpus, "version": release.version, "plan": plan, "params": params, "rows": rows}
    return hashlib.sha256(json.dumps(stands_for, sort_keys=True, default=str).encode()).hexdigest()
