"""Which dump files a corpus is built from: the settings', else the inbox's, else the demo dump."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from corpusmith.assets import refused
from corpusmith.assets.resources import Workshop
from corpusmith.errors import SourceError
from corpusmith.ingest.sources import (
    check_name,
    commit_now,
    files_in,
    is_hub_id,
    is_saved_dataset,
    may_be_source,
    pinned,
)


def sources(workshop: Workshop) -> dict[str, str]:
    """Every source by its partition, ``name-digest of its path``; folders are read in name order.

    Raises SourceError for a path that is not there or whose name is no text, and for two files of one name.
    """
    named = [found for source in workshop.settings.reddit.source for found in _expand(source)]
    if named:
        return _distinct(named)
    return in_inbox(workshop) or {partition(demo): demo for demo in [str(_demo(workshop))]}


def partitions(workshop: Workshop) -> dict[str, str]:
    """The partitions of reddit/dumps that the settings ask for, each with what stands for its content."""
    return {name: token(source) for name, source in sources(workshop).items()}


def arrivals(workshop: Workshop) -> dict[str, str]:
    """The same of what lies in the inbox."""
    return {name: token(source) for name, source in in_inbox(workshop).items()}


def token(source: str) -> str:
    """What stands for the content of a source at a glance: size and time of a file, commit of a Hub dataset, else name.

    Raises SourceError: the Hub does not say the commit.
    """
    path = Path(source)
    if path.is_file():
        return f"{path.stat().st_size} bytes of {path.stat().st_mtime_ns}"
    return source if path.exists() else commit_now(source)


def inputs(workshop: Workshop) -> dict[str, str]:
    """The partitions, whose order decides which of two copies is the first, and a digest of the salt."""
    salt = hashlib.sha256(workshop.salt.encode()).hexdigest()
    return {"salt": salt, "partitions": ", ".join(sources(workshop))}


def digest(source: str) -> str:
    """SHA-256 of a file's bytes, or of a Hub dataset's id and commit; a saved dataset's path stands for itself.

    Raises SourceError: the Hub does not say the commit.
    """
    path = Path(source)
    if not path.is_file():
        return hashlib.sha256(pinned(source).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_demo(workshop: Workshop) -> bool:
    """Whether the corpus is built from the dump that the project writes itself."""
    return not workshop.settings.reddit.source and not in_inbox(workshop)


def in_inbox(workshop: Workshop) -> dict[str, str]:
    """The sources in the inbox folder by their partition, but for those that were refused as they are now."""
    waiting = sorted(workshop.inbox.iterdir()) if workshop.inbox.is_dir() else []
    named = _distinct([str(path.resolve()) for path in waiting if _is_source(path)])
    left_out = refused.refused(workshop.home, "reddit")
    return {name: source for name, source in named.items() if left_out.get(name, {}).get("token") != token(source)}


def _distinct(found: list[str]) -> dict[str, str]:
    by_name: dict[str, str] = {}
    for source in dict.fromkeys(found):
        check_name(source)
        other = by_name.setdefault(Path(source).name, source)
        if other != source:
            raise SourceError(
                f"two sources have one name: {other} and {source}. Rename one: a row is known by its file and line"
            )
    return {partition(source): source for source in by_name.values()}


def partition(source: str) -> str:
    """The partition key of one source: readable, and unlike that of any other path."""
    return f"{Path(source).name}-{hashlib.blake2b(source.encode(), digest_size=3).hexdigest()}"


def _expand(source: str) -> list[str]:
    path = Path(source).expanduser()
    if path.is_dir() and not is_saved_dataset(path):
        files = [str(file.resolve()) for file in files_in(path)]
        if not files:
            raise SourceError(f"the folder {path} has no files in it; give it dump files, or name another source")
        return files
    if path.exists():
        return [str(path.resolve())]
    if is_hub_id(source):
        return [source]
    raise SourceError(
        f"no file, folder or dataset {source!r}: expected a dump (.zst .bz2 .gz .ndjson), "
        "a table (.csv .tsv .parquet), a folder of these, or a Hugging Face dataset id such as owner/name"
    )


def _is_source(path: Path) -> bool:
    return path.is_file() and may_be_source(Path(path.name))


def _demo(workshop: Workshop) -> Path:
    from corpusmith.assets.reddit.demo import write_demo_dump

    demo = workshop.settings.reddit.demo
    path = workshop.home / ".corpusmith" / "demo" / f"RC_demo-{demo.comments}-{demo.seed}.zst"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.part")
        write_demo_dump(temporary, demo.comments, demo.seed)
        temporary.rename(path)
    return path
