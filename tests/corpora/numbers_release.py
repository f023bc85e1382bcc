"""A home with a release of the corpus of numbers, made without Dagster, so that it is there in a second."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import yaml
from numbers_corpus import CORPUS, Squares, curated, mean
from project import Project

from corpusmith.assets.registry import load
from corpusmith.assets.released import release_of
from corpusmith.assets.resources import Workshop
from corpusmith.release.write import write_release
from corpusmith.work.produce import with_failed


def project(folder: Path) -> Project:
    """A folder of one's own whose settings allow no unknown code."""
    made = Project(folder)
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["work"]["allow_unknown_code"] = False
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    return made


def workshop(home: Path, *overrides: str) -> Workshop:
    """The workshop of such a folder."""
    return Workshop(home, load(home / "params.yaml", overrides=overrides))


def release(home: Path, *overrides: str) -> Path:
    """The release of these settings, in data/."""
    here = workshop(home, *overrides)
    numbers = pl.LazyFrame({"n": range(1, here.settings.of("numbers").count + 1)})
    squares = {}
    for remainder, name in enumerate(("even", "odd")):
        part = numbers.filter(pl.col("n") % 2 == remainder)
        squares[name] = with_failed(here.make(part, Squares()), part, Squares())
    table = curated(squares=squares, workshop=here)
    folder = here.release("numbers")
    write_release(release_of(CORPUS, here, {"curated": table, "mean": mean(curated=table)}), folder)
    return folder
