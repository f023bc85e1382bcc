"""The record of a release: what it was made from, by what, and the digest of every file, so that it can be checked."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith import __version__
from corpusmith.errors import ReleaseError
from corpusmith.hardware import computes_here
from corpusmith.release import chunks
from corpusmith.release.inputs import Release
from corpusmith.release.plain import SMALL, check_plain, entries, is_safe, parse_json, read_json, shown
from corpusmith.release.semver import VERSION
from corpusmith.release.summary import Summary

NAME = "manifest.json"
RUN = "run.json"
"""What a run took, beside the manifest and in no digest: two equal builds may take different times."""
CHANGES = "+changes"
_PACKAGE = Path(__file__).parents[1]
_SECRET = re.compile(r"(?:^|_)(?:token|api_?key|password|secret|salt|authorization)$", re.IGNORECASE)
_IN_URL = re.compile(
    r"(?<=://)[^/@\s]+@|(?<=[?&])([^=&\s]*(?:token|key|secret|password|signature|credential)[^=&\s]*)=[^&\s]+",
    re.IGNORECASE,
)


FORMAT = 2
"""Of manifest.json; raise it when a reader of this version could not make sense of the new one."""
_CORPUS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HEX = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{32})?")


@dataclass(frozen=True)
class Manifest:
    """What manifest.json holds.

    plan: BLAKE2b of the keys of all rows that were planned. content: SHA-256 of what a version stands for: its rows,
    its rejected rows and the settings; a rebuild at another commit, or one that took longer, is the same content.
    code: version of corpusmith, what it was installed from (checkout or wheel), its git commit where there is one, that
    of the corpus where its code lies elsewhere, and the machine that it was made on.
    models: provenance by fingerprint.
    files: path → sha256, bytes and, of Parquet, rows and the sha256 of each column (chunks.digests). labels: the values
    of each label column, in order.
    There is no time in it: an unchanged rebuild is the same bytes, all files but RUN.
    digest: SHA-256 over all the rest of it. more: what another version of corpusmith said beside.
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
    labels: Mapping[str, list[str]]
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that it says, whatever the order."""
        said = json.dumps(self._said(), sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(said.encode()).hexdigest()

    def _said(self) -> dict[str, Any]:
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "more"}
        return {"format": FORMAT, **said, **self.more}

    def to_json(self) -> str:
        """The same text for the same content."""
        said = {"digest": self.digest, **self._said()}
        return json.dumps(said, indent=2, ensure_ascii=False, default=str) + "\n"

    def tables(self, folder: str) -> list[str]:
        """The Parquet files of a folder of the release (data, rejected, scores), in order."""
        return sorted(name for name in self.files if name.startswith(f"{folder}/") and name.endswith(".parquet"))


def read(folder: Path) -> Manifest:
    """The manifest of a release folder, every field of it checked.

    Raises ReleaseError, in one line, when there is none, it is not one, was changed, or is of a format to come.
    """
    path = folder / NAME
    if folder.is_file():
        raise ReleaseError(f"{shown(folder)} is a file; expected the folder of a release, such as data/reddit")
    try:
        said = read_json(path)
    except FileNotFoundError:
        raise ReleaseError(
            f"{shown(folder)} is no release: it has no {NAME}; build one with `corpusmith build`"
        ) from None
    except OSError as error:
        raise ReleaseError(f"cannot read {shown(path)}: {error.strerror}") from error
    return _of(said, path)


def parsed(data: bytes, path: str) -> Manifest:
    """The manifest in some bytes, which came from ``path``. Raises ReleaseError as `read` does."""
    if len(data) > SMALL:
        raise ReleaseError(f"{shown(path)} is larger than {SMALL:,} bytes: expected a small file")
    try:
        return _of(parse_json(data.decode(), path), path)
    except UnicodeDecodeError as error:
        raise ReleaseError(f"{shown(path)} is not UTF-8 (byte {error.start:,}): expected text") from None


def _of(said: Any, path: object) -> Manifest:
    """The manifest of a document. Raises ReleaseError, which names the path."""
    if isinstance(said, dict) and isinstance(said.get("format"), int) and said["format"] > FORMAT:
        by = shown(said["code"].get("corpusmith")) if isinstance(said.get("code"), dict) else "a newer version"
        raise ReleaseError(
            f"{shown(path)} is of format {said['format']}, this corpusmith reads up to {FORMAT}: "
            f"it was written by corpusmith {by}; install that"
        )
    if wrong := _wrong(said):
        raise ReleaseError(f"{shown(path)} is not the manifest of a release ({wrong}); build or pull it again")
    known = {one.name for one in fields(Manifest)} - {"more"}
    more = {name: held for name, held in said.items() if name not in {*known, "format", "digest"}}
    manifest = Manifest(**{name: said[name] for name in known}, more=more)
    if manifest.digest != said["digest"]:
        raise ReleaseError(
            f"{shown(path)} was changed after it was written: its digest is {manifest.digest}, it says "
            f"{said['digest']}; pull or build the release again"
        )
    return manifest


def _wrong(said: Any) -> str | None:
    """What of a manifest is not of the form that others rely on."""
    if not isinstance(said, dict):
        return f"expected a table, found {type(said).__name__}"
    required = [one.name for one in fields(Manifest) if one.name != "more"]
    if lacking := [name for name in ("format", "digest", *required) if name not in said]:
        return f"it lacks {', '.join(lacking)}"
    if type(said["format"]) is not int or said["format"] != FORMAT:
        return f"format is {shown(said['format'])[:80]!r}, expected {FORMAT}"
    forms = {"corpus": _CORPUS, "version": VERSION, "content": _HEX, "plan": _HEX, "digest": _HEX}
    for name, form in forms.items():
        if not isinstance(said[name], str) or not form.fullmatch(said[name]):
            return f"{name} is {shown(said[name])[:80]!r}"
    tables = ("code", "counts", "models", "params", "files", "labels")
    if plain := [name for name in tables if not isinstance(said[name], dict)]:
        return f"{', '.join(plain)} is no table"
    if not isinstance(said["sources"], list) or not all(isinstance(one, dict) for one in said["sources"]):
        return "sources is no list of tables"
    if not all(isinstance(one, dict) for one in said["models"].values()):
        return "models is no table of tables"
    if not all(isinstance(names, list) and all(isinstance(n, str) for n in names) for names in said["labels"].values()):
        return "labels is no table of lists of words"
    if not _is_count(said["counts"].get("rows")):
        return f"counts.rows is {shown(said['counts'].get('rows'))[:80]!r}"
    return next((fault for name, held in said["files"].items() if (fault := _wrong_file(name, held))), None)


def _wrong_file(name: str, held: Any) -> str | None:
    if not is_safe(name):
        return f"the file {shown(name)[:80]!r} lies outside the release, or is not named plainly"
    if not isinstance(held, dict) or not isinstance(held.get("sha256"), str) or not _is_count(held.get("bytes")):
        return f"{shown(name)} of files lacks sha256 or bytes"
    if name.endswith(".parquet") and not _is_count(held.get("rows")):
        return f"{shown(name)} of files lacks rows"
    if not isinstance(columns := held.get("columns", {}), dict) or not all(
        isinstance(d, str) for d in columns.values()
    ):
        return f"columns of {shown(name)} is no table of digests"
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def of(folder: Path, release: Release, summary: Summary, plan: str, known: Mapping[str, str]) -> Manifest:
    """The manifest of the files that lie in ``folder``; the digests of some are ``known``."""
    paths = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    names = [name for name in paths if name not in (NAME, RUN)]
    files = {name: file(folder / name, known.get(name)) for name in names}
    params = redacted(release.params)
    return Manifest(
        corpus=release.corpus,
        version=release.version,
        content=_content(release, params, plan, files),
        plan=plan,
        code={**code_of(release.code), "made_on": computes_here()},
        counts=counts(summary, release),
        sources=[asdict(source) for source in sorted(release.sources, key=lambda source: source.name)],
        models={name: redacted(release.makers[name]) for name in sorted(release.makers)},
        params=params,
        files=files,
        labels=release.text.classes,
    )


def check(folder: Path, proved: Collection[str] = ()) -> Manifest:
    """The manifest, if every file is there, is as it was written, and nothing else lies there that a reader would take.

    proved: files whose digest is known to be right. Raises one ReleaseError that names every file that is not as
    recorded: stored and expected value, and what to do.
    """
    manifest = read(folder)
    wrong = [
        line for name, said in manifest.files.items() if (line := _differs(folder / name, name, said, name in proved))
    ]
    for name, kind in entries(folder):
        if kind in ("link", "special file"):
            wrong.append(f"{shown(name)}: a {kind}; a release holds plain files and folders")
        elif kind == "file" and name not in {NAME, RUN, *manifest.files}:
            wrong.append(f"{shown(name)}: not in the manifest")
        elif kind == "folder" and not any(held.startswith(f"{name}/") for held in manifest.files):
            wrong.append(f"{shown(name)}/: a folder that is not in the manifest")
    if wrong:
        raise ReleaseError(
            f"{shown(folder)} is not what was released as {manifest.corpus} {manifest.version}:\n  "
            + "\n  ".join(wrong)
            + "\npull or build it again"
        )
    return manifest


def _differs(path: Path, name: str, said: Mapping[str, Any], proved: bool) -> str | None:
    """How a file differs from what is recorded; the size is looked at before anything is read."""
    try:
        check_plain(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"{name}: missing"
    except ReleaseError:
        return f"{name}: no plain file"
    if path.stat().st_size != said["bytes"]:
        return f"{name}: {path.stat().st_size} bytes, expected {said['bytes']}"
    if not proved and (found := sha256(path)) != said["sha256"]:
        return f"{name}: sha256 {found}, expected {said['sha256']}"
    return _other_rows(path, name, said) if name.endswith(".parquet") else None


def _other_rows(path: Path, name: str, said: Mapping[str, Any]) -> str | None:
    """Whether the footer of a table says as many rows as the manifest: that is known before any row is read."""
    try:
        rows = pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError) as error:
        return f"{name}: no whole Parquet file ({shown(error).splitlines()[0][:200]})"
    return None if rows == said["rows"] else f"{name}: {rows:,} rows, expected {said['rows']:,}"


def check_whole(said: Manifest, place: object) -> None:
    """Raises ReleaseError where a release is a part of one: some of its splits or columns, as they were pulled."""
    if part := said.more.get("part"):
        what = "; ".join(f"{name} {', '.join(part[name])}" for name in ("splits", "columns") if part.get(name))
        raise ReleaseError(
            f"{shown(place)} is a part of {said.corpus} {said.version} ({shown(what)}): expected the whole of it, as "
            f"corpusmith pull {said.corpus}@{said.version} fetches it"
        )


def split_of(name: str) -> str:
    """The split of a shard: ``data/train-00000-of-00004.parquet`` is of train."""
    return Path(name).name.partition("-")[0]


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


def unknown_code(said: Manifest) -> str | None:
    """Why nobody can tell which code made a release, in a few words; None: it is known."""
    parts = {"corpusmith": "commit", "the corpus": "corpus"}
    if said.code.get("from") == "wheel":
        del parts["corpusmith"]
    for whose, part in parts.items():
        commit = said.code.get(part, "")
        if commit is None:
            return f"the code of {whose} was in no git commit"
        if commit.endswith(CHANGES):
            return f"the code of {whose} had changes that are in no git commit"
    return None


def code_of(corpus: Path | None) -> dict[str, str | None]:
    """Which code makes a release here; ``corpus``: the folder of a corpus whose code lies elsewhere."""
    is_wheel = (_PACKAGE / "assets").is_dir()
    here = {"corpusmith": __version__, "from": "wheel" if is_wheel else "checkout", "commit": commit(_PACKAGE)}
    return {**here, "corpus": commit(corpus)} if corpus else here


@functools.cache
def commit(folder: Path) -> str | None:
    """The git commit that the code in a folder was checked out at, with CHANGES where files differ from it."""

    def git(*args: str) -> str | None:
        try:
            ran = subprocess.run(["git", "-C", str(folder), *args], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return ran.stdout.strip()

    if not git("ls-files", "--", "*.py"):  # installed, inside somebody else's repository
        return None
    head = git("rev-parse", "HEAD")
    results = (":(top,exclude)dvc.lock", ":(top,exclude)params.yaml")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", *results)
    return f"{head}{CHANGES}" if head and changed else head


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each shard, by its path in the release."""
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(folder.glob("*/*.parquet"))}


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file(path: Path, digest: str | None = None) -> dict[str, Any]:
    """What a manifest says of a file; ``digest``: its SHA-256, where that is known."""
    said: dict[str, Any] = {"sha256": digest or sha256(path), "bytes": path.stat().st_size}
    if path.suffix == ".parquet":
        said |= {"rows": pq.read_metadata(path).num_rows, "columns": chunks.digests(path)}
    return said


def _content(release: Release, params: Any, plan: str, files: Mapping[str, Mapping[str, Any]]) -> str:
    rows = {name: said["sha256"] for name, said in files.items() if name.startswith(("data/", "rejected/"))}
    stands_for = {"corpus": release.corpus, "version": release.version, "plan": plan, "params": params, "rows": rows}
    return hashlib.sha256(json.dumps(stands_for, sort_keys=True, default=str).encode()).hexdigest()
