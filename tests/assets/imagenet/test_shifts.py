"""Test sets: the same drawings in every look and under every nuisance, or photographs of folders."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from imagenet_home import photograph, workshop
from PIL import Image

from corpusmith.assets.imagenet import classes, shifts, sources
from corpusmith.drawings import nuisances
from corpusmith.errors import SettingsError, SourceError

TENCH, GOLDFISH, SHARK = "n01440764", "n01443537", "n01484850"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> pl.DataFrame:
    return shifts.shifts(workshop(tmp_path_factory.mktemp("home"), classes="drawn")).collect()


def pixels(row: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])), np.int16)


def test_every_drawing_is_in_every_set_once(drawn):
    assert drawn.schema == shifts.SHIFTS
    sets = drawn.select("set", "severity").unique()
    assert sets.height == 4 + 5 * len(nuisances.NUISANCES)
    counts = drawn.group_by("sample").agg(pl.len(), pl.struct("set", "severity").n_unique().alias("sets"))
    assert set(counts["len"]) == set(counts["sets"]) == {sets.height}
    assert drawn.group_by("set", "severity").agg(pl.col("wnid").n_unique())["wnid"].unique().to_list() == [20]
    assert drawn["image_sha256"].null_count() == 0


def test_a_nuisance_is_one_of_the_natural_drawing_and_grows(drawn):
    one = drawn.filter(pl.col("sample") == drawn["sample"][0]).to_dicts()
    natural = next(pixels(row) for row in one if row["set"] == "natural")
    for nuisance in nuisances.NUISANCES:
        rows = sorted((row for row in one if row["set"] == nuisance), key=lambda row: row["severity"])
        changed = [np.abs(pixels(row) - natural).mean() for row in rows]
        assert [row["severity"] for row in rows] == [1, 2, 3, 4, 5]
        assert changed[0] > 0
        assert changed[-1] > changed[0]


def test_no_test_image_is_among_the_sources(drawn, tmp_path):
    real = sources.sources(workshop(tmp_path, classes="drawn")).collect()
    assert not set(real["image_sha256"]) & set(drawn["image_sha256"])


def test_more_drawings_leave_the_first_as_they_are(tmp_path):
    known = classes.chosen("drawn")
    few = shifts.plan(known, workshop(tmp_path, classes="drawn", of_set=1).settings.imagenet)
    more = shifts.plan(known, workshop(tmp_path, classes="drawn", of_set=3).settings.imagenet)
    assert few.join(more, on=few.columns, how="anti", nulls_equal=True).is_empty()
    assert more["seed"].n_unique() == 60


def folders(root: Path, *wnids: str) -> Path:
    for number, wnid in enumerate(wnids):
        photograph(root / wnid / "x.JPEG", number)
    return root


def test_photographs_are_tested_on_the_folders_alone_in_the_classes_that_they_share(tmp_path):
    real = folders(tmp_path / "in", *classes.table()["wnid"][:8])
    sets = {
        "imagenet-r": str(folders(tmp_path / "r", GOLDFISH, "n15075141")),
        "sketch": str(folders(tmp_path / "sketch", TENCH, GOLDFISH)),
    }
    shop = workshop(tmp_path, real, classes=[TENCH, GOLDFISH, SHARK, *classes.table()["wnid"][3:8]], sets=sets)
    found = shifts.shifts(shop).collect()
    assert found.select("set", "sample", "wnid").rows() == [
        ("imagenet-r", f"{GOLDFISH}/x.JPEG", GOLDFISH),
        ("sketch", f"{TENCH}/x.JPEG", TENCH),
        ("sketch", f"{GOLDFISH}/x.JPEG", GOLDFISH),
    ]
    assert found["severity"].null_count() == found.height
    [said] = [source for source in sources.described(shop) if source.name == "test set imagenet-r"]
    assert said.notes == (
        "1 images of 1 classes",
        "1 images of classes that are not asked for were left out, n15075141/x.JPEG the first",
    )
    before = sources.inputs(shop)
    folders(tmp_path / "r", GOLDFISH, "n15075141", SHARK)
    assert {name for name, digest in sources.inputs(shop).items() if before[name] != digest} == {"set imagenet-r"}


def test_a_set_that_shares_no_class_or_has_unknown_ones_is_one_line(tmp_path):
    real = folders(tmp_path / "in", *classes.table()["wnid"][:8])
    other = {"far": str(folders(tmp_path / "far", "n15075141"))}
    with pytest.raises(SourceError, match=r"far .* shares no class with the 8 of the corpus"):
        sources.ready(workshop(tmp_path, real, classes=classes.table()["wnid"][:8].to_list(), sets=other))
    unknown = {"odd": str(folders(tmp_path / "odd", "n00000001"))}
    with pytest.raises(SourceError, match="n00000001 is none of ImageNet's 1,000"):
        shifts.shifts(workshop(tmp_path, real, sets=unknown))


def test_a_folder_may_not_be_called_like_a_drawn_set(tmp_path):
    far = {"sketch": str(folders(tmp_path / "far", classes.chosen("drawn")["wnid"][0]))}
    with pytest.raises(SettingsError, match="sketch is a set that is drawn"):
        shifts.shifts(workshop(tmp_path, classes="drawn", sets=far))


def test_classes_alone_have_no_drawn_sets(tmp_path):
    assert shifts.shifts(workshop(tmp_path, classes=[TENCH], each=8)).collect().is_empty()
