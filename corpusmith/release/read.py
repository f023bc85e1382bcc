"""Open a release that lies here, as `datasets` or polars know it."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest, shelf
from corpusmith.release.publish import hub
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
    as_: Literal["datasets"] = "datasets",
    verify: bool | None = None,
) -> Dataset: ...
@overload
def load(
    corpus: str,
    split: None = None,
    version: str | None = None,
    home: Home = None,
    as_: Literal["datasets"] = "datasets",
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
    verify: bool | None = None,
) -> pl.LazyFrame: ...
def load(
    corpus: str,
    split: str | None = None,
    version: str | None = None,
    home: Home = None,
    as_: Literal["datasets", "polars"] = "datasets",
    verify: bool | None = None,
) -> Dataset | DatasetDict | pl.LazyFrame:
    """The rows of a corpus: one split of it, or all (a DatasetDict, or one lazy frame with the column ``split``).

    It is read from ``home`` (CORPUSMITH_HOME, else the checkout or folder one stands in): without ``version`` what was
    built there, else the latest that was published, pulled or released there. Nothing is fetched: that is for `pull`.
    verify: check the digest of every file first; without a word, where the release is not one that was built here.
    The files are those of the manifest, whatever else lies there. `datasets` has the label as a ClassLabel.

    >>> corpusmith.load("reddit", split="train", as_="polars").head(5).collect()  # doctest: +SKIP

    Raises ReleaseError when there is no such corpus, version or split, and for a file that is not as it was released.
    """
    place = Path(home) if home else default_home()
    folder = find(corpus, version, place)
    built = folder == place / "data" / corpus or folder.is_relative_to(place / shelf.FOLDER)
    said = manifest.check(folder) if verify or (verify is None and not built) else manifest.read(folder)
    shards: dict[str, list[str]] = {}
    for name in said.tables("data"):
        shards.setdefault(Path(name).name.partition("-")[0], []).append(str(folder / name))
    if split is not None and split not in shards:
        raise ReleaseError(f"{folder} has no split {split!r}; it has {', '.join(shards)}")
    wanted = shards if split is None else {split: shards[split]}
    if as_ == "polars":
        import polars as pl

        return pl.scan_parquet([path for paths in wanted.values() for path in paths], glob=False)
    if as_ == "datasets":
        from datasets import load_dataset

        literal = {name: [glob.escape(path) for path in paths] for name, paths in wanted.items()}
        # `datasets` keeps what it prepared under the name, and would show it again for other rows at another place
        name = f"{said.corpus}-{said.digest}"
        return load_dataset(
            "parquet",
            name,
            data_files=literal,
            split=split,
            features=features(folder / said.tables("data")[0], said.labels),
        )
    raise ReleaseError(f"as_={as_!r}: expected 'datasets' or 'polars'")


def pull(corpus: str, version: str | None = None, source: Home = None, into: Home = None) -> Path:
    """Fetch a published version (the latest without one) and check every file of it; the folder that it is in.

    ``source`` is a folder of published corpora or a DVC repository (default: HOME/published), ``into`` a folder
    (default: HOME/pulled, where `load` finds it). Raises ReleaseError.
    """
    home = default_home()
    return hub.pull(corpus, version, str(source or home / "published"), Path(into) if into else home / "pulled")


def find(corpus: str, version: str | None, home: Path) -> Path:
    """The folder of a release under ``home``; of a version, first where it can no longer change: on the shelf.

    Raises ReleaseError: where it looked.
    """
    if version in shelf.versions(home, corpus):
        return shelf.find(home, corpus, str(version))
    built = home / "data" / corpus
    if (built / manifest.NAME).is_file() and version in (None, manifest.read(built).version):
        return built
    for place in (home / "published", home / "pulled"):
        try:
            return hub.published(place, corpus, version)
        except ReleaseError:
            continue
    if version is None and (there := shelf.versions(home, corpus)):
        return shelf.find(home, corpus, there[-1])
    wanted = f"{corpus} {version}" if version else corpus
    raise ReleaseError(
        f"no {wanted} in {home}: looked in data/{corpus}, versions/{corpus}, published/{corpus} and pulled/{corpus}; "
        f"build it (corpusmith build {corpus}) or pull it (corpusmith pull {corpus})"
    )
