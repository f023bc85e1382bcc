"""Open a release that lies here, as `datasets` or polars know it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from corpusmith.errors import ReleaseError
from corpusmith.release import hub, manifest
from corpusmith.settings import default_home

if TYPE_CHECKING:
    import polars as pl
    from datasets import Dataset, DatasetDict

Home = str | os.PathLike[str] | None


@overload
def load(
    corpus: str, split: str, version: str | None = None, home: Home = None, as_: Literal["datasets"] = "datasets"
) -> Dataset: ...
@overload
def load(
    corpus: str,
    split: None = None,
    version: str | None = None,
    home: Home = None,
    as_: Literal["datasets"] = "datasets",
) -> DatasetDict: ...
@overload
def load(
    corpus: str, split: str | None = None, version: str | None = None, home: Home = None, *, as_: Literal["polars"]
) -> pl.LazyFrame: ...
def load(
    corpus: str,
    split: str | None = None,
    version: str | None = None,
    home: Home = None,
    as_: Literal["datasets", "polars"] = "datasets",
) -> Dataset | DatasetDict | pl.LazyFrame:
    """The rows of a corpus: one split of it, or all (a DatasetDict, or one lazy frame with the column ``split``).

    It is read from ``home`` (CORPUSMITH_HOME, else the checkout or folder one stands in): without ``version`` what was
    built there, else the latest that was published or pulled there. Nothing is fetched: that is what `pull` is for.

    >>> corpusmith.load("reddit", split="train", as_="polars").head(5).collect()  # doctest: +SKIP

    Raises ReleaseError when there is no such corpus, version or split.
    """
    folder = find(corpus, version, Path(home) if home else default_home())
    splits = sorted({path.name.partition("-")[0] for path in (folder / "data").glob("*.parquet")})
    if split is not None and split not in splits:
        raise ReleaseError(f"{folder} has no split {split!r}; it has {', '.join(splits)}")
    if as_ == "polars":
        import polars as pl

        return pl.scan_parquet(sorted((folder / "data").glob(f"{split or '*'}-*.parquet")))
    if as_ == "datasets":
        from datasets import load_dataset

        return load_dataset(str(folder), "data", split=split)
    raise ReleaseError(f"as_={as_!r}: expected 'datasets' or 'polars'")


def pull(corpus: str, version: str | None = None, source: Home = None, into: Home = None) -> Path:
    """Fetch a published version (the latest without one) and check every file of it; the folder that it is in.

    ``source`` is a folder of published corpora or a DVC repository (default: HOME/published), ``into`` a folder
    (default: HOME/pulled, where `load` finds it). Raises ReleaseError.
    """
    home = default_home()
    return hub.pull(corpus, version, str(source or home / "published"), Path(into) if into else home / "pulled")


def find(corpus: str, version: str | None, home: Path) -> Path:
    """The folder of a release under ``home``: built, published or pulled. Raises ReleaseError: where it looked."""
    built = home / "data" / corpus
    if (built / manifest.NAME).is_file() and version in (None, manifest.read(built).version):
        return built
    for shelf in (home / "published", home / "pulled"):
        try:
            return hub.published(shelf, corpus, version)
        except ReleaseError:
            continue
    wanted = f"{corpus} {version}" if version else corpus
    raise ReleaseError(
        f"no {wanted} in {home}: looked in data/{corpus}, published/{corpus} and pulled/{corpus}; "
        f"build it (corpusmith build {corpus}) or pull it (corpusmith pull {corpus})"
    )
