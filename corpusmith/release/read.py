"""Open a release that lies here, as `datasets` or polars know it."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest, proof, semver, shelf
from corpusmith.release.plain import shown
from corpusmith.release.publish import folders
from corpusmith.release.publish.pull import Wanted, check_name
from corpusmith.release.publish.pull import pull as pull_from
from corpusmith.release.shards import features
from corpusmith.settings import default_home

if TYPE_CHECKING:
    import polars as pl
    from datasets import Dataset, DatasetDict

Home = str | os.PathLike[str] | None


@overload
def load(
    corpus: str,
    split: str,
    version: str | None = None,
    home: Home = None,
    as_: Literal["datasets", "torch"] = "datasets",
    columns: Sequence[str] | None = None,
    verify: bool | None = None,
) -> Dataset: ...
@overload
def load(
    corpus: str,
    split: None = None,
    version: str | None = None,
    home: Home = None,
    as_: Literal["datasets", "torch"] = "datasets",
    columns: Sequence[str] | None = None,
    verify: bool | None = None,
) -> DatasetDict: ...
@overload
def load(
    corpus: str,
    split: str | None = None,
    version: str | None = None,
    home: Home = None,
    *,
    as_: Literal["polars"],
    columns: Sequence[str] | None = None,
    verify: bool | None = None,
) -> pl.LazyFrame: ...
def load(
    corpus: str,
    split: str | None = None,
    version: str | None = None,
    home: Home = None,
    as_: Literal["datasets", "polars", "torch"] = "datasets",
    columns: Sequence[str] | None = None,
    verify: bool | None = None,
) -> Dataset | DatasetDict | pl.LazyFrame:
    """The rows of a corpus: one split of it, or all (a DatasetDict, or one lazy frame with the column ``split``).

    It is read from ``home`` (CORPUSMITH_HOME, else the checkout or folder one stands in): without ``version`` what was
    built there, else the latest that was published, pulled or released there; ``"^1.2"`` is the newest that lies there
    of those. Nothing is fetched: that is for `pull`. ``columns``: only these are read. ``as_="torch"``: a `datasets`
    Dataset whose numbers and images are tensors.
    verify: check the digest of every file first; without a word, unless they were checked since they were last written
    (size, times and inode of each tell); False: do not look. The files are those of the manifest, whatever else lies
    there. `datasets` has the label as a ClassLabel.

    >>> corpusmith.load("reddit", split="train", as_="polars").head(5).collect()  # doctest: +SKIP

    Raises ReleaseError when there is no such corpus, version, split or column, and for a file that is not as it was
    released, which it names.
    """
    if as_ not in ("datasets", "polars", "torch"):
        raise UserError(f"as_={as_!r}: expected 'datasets', 'polars' or 'torch'")
    folder = find(corpus, version, Path(home) if home else default_home())
    said = proof.check(folder, anew=bool(verify)) if verify is not False else manifest.read(folder)
    shards: dict[str, list[str]] = {}
    for name in said.tables("data"):
        shards.setdefault(manifest.split_of(name), []).append(str(folder / name))
    if split is not None and split not in shards:
        raise ReleaseError(f"{folder} has no split {split!r}; it has {', '.join(shards)}")
    wanted = shards if split is None else {split: shards[split]}
    found = features(folder / said.tables("data")[0], said.labels)
    if unknown := [name for name in columns or () if name not in found]:
        raise ReleaseError(f"{folder} has no column {unknown[0]!r}; it has {', '.join(found)}")
    if as_ == "polars":
        import polars as pl

        rows = pl.scan_parquet([path for paths in wanted.values() for path in paths], glob=False)
        return rows.select(columns) if columns else rows
    from datasets import Features, load_dataset

    literal = {name: [glob.escape(path) for path in paths] for name, paths in wanted.items()}
    only = {"columns": list(columns), "features": Features({name: found[name] for name in columns})} if columns else {}
    # `datasets` keeps what it prepared under the name, and would show it again for other rows at another place
    name = f"{said.corpus}-{said.digest}"
    rows = load_dataset("parquet", name, data_files=literal, split=split, **{"features": found, **only})
    return rows.with_format("torch") if as_ == "torch" else rows


def pull(
    corpus: str,
    version: str | None = None,
    source: Home = None,
    into: Home = None,
    splits: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> Path:
    """Fetch a published version and prove every file of it; the folder that it is in, where `load` finds it.

    ``corpus`` may be ``reddit@1.2.0`` or ``reddit@^1.2``, of which it is the newest, instead of ``version``; without
    either it is the newest of all. ``source``: a folder of published corpora, ``s3://bucket/prefix``,
    ``hf://datasets/ORG/NAME`` or a DVC repository (default: HOME/published). ``into``: a folder (default: HOME/pulled).
    ``splits``, ``columns``: only these; of the rest no byte is fetched where the source allows it. Raises ReleaseError.
    """
    name, at, asked = corpus.partition("@")
    home = default_home()
    only = Wanted(tuple(splits), tuple(columns))
    place = Path(into) if into else home / "pulled"
    return pull_from(name, asked if at else version, source or home / "published", place, only)


def find(corpus: str, version: str | None, home: Path) -> Path:
    """The folder of a release under ``home``; of a version, first where it can no longer change: on the shelf.

    version: one, or what `semver.newest` takes. Raises ReleaseError: where it looked.
    """
    check_name(corpus)
    built = home / "data" / corpus
    is_built = (built / manifest.NAME).is_file()
    if version is None and is_built:
        return built
    if version is None:
        return _latest(corpus, home)
    here = {each: folders.Folder(home / each).versions(corpus) for each in shelf.PLACES}
    there = {*(each for versions in here.values() for each in versions)}
    at = manifest.read(built).version if is_built else None
    chosen = semver.newest(version, [*there, *([at] if at else [])])
    for place, versions in here.items():
        if chosen in versions:
            return home / place / corpus / str(chosen)
    if chosen is None:
        raise _none(f"{corpus} {version}", corpus, home)
    return built


def _latest(corpus: str, home: Path) -> Path:
    """What was published or pulled last, else the newest on the shelf."""
    for place in ("published", "pulled"):
        if version := folders.latest(home / place, corpus):
            return home / place / corpus / version
    if there := shelf.versions(home, corpus):
        return shelf.find(home, corpus, there[-1])
    raise _none(corpus, corpus, home)


def _none(wanted: str, corpus: str, home: Path) -> ReleaseError:
    return ReleaseError(
        f"no {shown(wanted)} in {home}: looked in data/{corpus}, versions/{corpus}, published/{corpus} and "
        f"pulled/{corpus}; build it (corpusmith build {corpus}) or pull it (corpusmith pull {corpus})"
    )
