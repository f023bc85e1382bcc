"""Layouts of other people's: a release goes out as they write it, comes back as it was, and theirs come in."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from edits_corpus import EDITORS, corpus, settings
from PIL import Image

from corpusmith.assets.edits import diffseg, imports
from corpusmith.assets.edits.card import card
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.curate import masks
from corpusmith.errors import ReleaseError, SettingsError, UserError
from corpusmith.release.inputs import Release
from corpusmith.release.write import write_release
from corpusmith.settings import shared
from corpusmith.validation import validate_release
from corpusmith.validation.edits import SUITE

QUICK = [
    "edits.scores.segmenters=[fcn-8s]",
    "edits.scores.seeds=1",
    "edits.scores.epochs=1",
    "edits.scores.bootstrap=10",
]
QUICK += ["edits.scores.left_out=false", "edits.splits={validation: 0.2, test: 0.3}"]


def workshop(home: Path) -> Workshop:
    return Workshop(home, load(profile="house", overrides=[*QUICK, f"edits.editors=[{', '.join(EDITORS)}]"]))


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    from corpusmith.score.scores import table

    folder, made = tmp_path_factory.mktemp("release") / "edits", corpus(24)
    wanted = workshop(folder.parent)
    said = {"rows": made.rows, "rejected": made.rejected, "scores": table([]), "made": {"drawn": 24}}
    text = card(settings())
    write_release(
        Release("edits", "1.0.0", text, **said, makers={}, params=shared(wanted.settings, "edits"), sources=()), folder
    )
    return folder


def rows_of(release: Path) -> pl.DataFrame:
    return pl.read_parquet(release / "data" / "*.parquet")


def test_what_is_exported_comes_back_with_the_same_images_masks_splits_and_editors(release, tmp_path):
    count = diffseg.export(release, tmp_path / "out")
    imports.pairs(workshop(tmp_path), tmp_path / "out", tmp_path / "back")
    compared = ["image_sha256", "mask_sha256", "split", "editors", "operations", "turn_count"]
    before, after = (
        table.select(compared).sort("image_sha256") for table in (rows_of(release), rows_of(tmp_path / "back"))
    )
    assert count == before.height
    assert before.equals(after)
    assert validate_release(SUITE, tmp_path / "back").success


def test_tar_shards_hold_the_same_files_and_the_same_bytes_twice(release, tmp_path):
    diffseg.export(release, tmp_path / "folders")
    for name in ("a", "b"):
        diffseg.export(release, tmp_path / name, tar=True)
    tars = sorted((tmp_path / "a").glob("*.tar"))
    assert [tar.read_bytes() for tar in tars] == [tar.read_bytes() for tar in sorted((tmp_path / "b").glob("*.tar"))]
    with tarfile.open(tmp_path / "a" / "train-00000.tar") as shard:
        inside = {member.name: shard.extractfile(member).read() for member in shard}
    assert inside == {path.name: path.read_bytes() for path in (tmp_path / "folders" / "train").iterdir()}


def test_nothing_is_written_over_what_is_there(release, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="no empty folder"):
        diffseg.export(release, tmp_path)


def saved(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def somebodys(folder: Path, number: int, leak: int = 0, grey: bool = False, size: int = 48) -> None:
    draw = np.random.default_rng(number)
    original = draw.integers(20, 200, (48, 48, 3), dtype=np.uint8)
    edited, mask = original.copy() + np.uint8(leak), np.zeros((48, 48, 3), np.uint8)
    mask[10:30, 8:28] = 255
    edited[10:30, 8:28] = draw.integers(0, 255, 3)
    if grey:
        mask[9, 8:28] = 100
    saved(
        folder / "original" / f"{number}.png",
        original if size == 48 else np.array(Image.fromarray(original).resize((size, size))),
    )
    saved(folder / "edited" / f"{number}.png", edited)
    saved(folder / "mask" / f"{number}.png", mask)


def test_triples_come_in_with_their_leak_measured_and_their_masks_made_black_and_white(tmp_path):
    for number in range(12):
        somebodys(
            tmp_path / "theirs", number, leak=3 if number == 0 else 0, grey=number == 1, size=96 if number == 2 else 48
        )
    (tmp_path / "theirs" / "prompts.json").write_text('{"4": "a blue square"}')
    made = imports.triples(workshop(tmp_path), tmp_path / "theirs", tmp_path / "in")
    rows = rows_of(tmp_path / "in").sort("source")
    by = {row["source"]: row for row in rows.to_dicts()}
    assert by["0"]["leak"] == 3
    assert by["3"]["leak"] == 0
    assert (masks.opened(by["1"]["mask"]["bytes"]) > 0).sum() == 400
    assert by["4"]["turns"][0]["prompt"] == "a blue square"
    [source] = made.sources
    assert "1 masks with grey levels: a threshold of 128 decided 20 pixels" in source["notes"]
    assert "1 originals were brought to the size of their edit" in source["notes"]
    assert "grey levels in the mean, " in source["notes"][-1]
    broken = {result.name for result in validate_release(SUITE, tmp_path / "in").results if not result.success}
    assert broken == {"outside_unchanged"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder.mkdir(), "has no triples"),
        (lambda folder: saved(folder / "a.png", np.zeros((8, 8, 3), np.uint8)), "none has all three"),
        (
            lambda folder: [
                saved(folder / f"a{end}.png", np.zeros((8, 8, 3), np.uint8)) for end in ("", "_edited", "_mask")
            ],
            "empty",
        ),
    ],
)
def test_what_is_no_set_of_triples_is_one_line(tmp_path, make, said):
    make(tmp_path / "theirs")
    with pytest.raises(UserError, match=said):
        imports.triples(workshop(tmp_path), tmp_path / "theirs", tmp_path / "in")


def test_a_pair_without_a_mask_or_with_a_mask_of_colours_is_named(tmp_path):
    saved(tmp_path / "theirs" / "00000001.image.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match=r"00000001\.mask\.png"):
        imports.pairs(workshop(tmp_path), tmp_path / "theirs", tmp_path / "in")
    saved(tmp_path / "theirs" / "00000001.mask.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="one channel"):
        imports.pairs(workshop(tmp_path), tmp_path / "theirs", tmp_path / "in")


def test_too_few_edits_to_train_on_or_to_test_are_one_line(tmp_path):
    from corpusmith.assets.edits import scores

    few = corpus(24).rows.collect().with_columns(split=pl.lit("train"))
    with pytest.raises(SettingsError, match="leave none to test the baselines"):
        scores.baselines(few, workshop(tmp_path).make, settings())


@pytest.fixture
def theirs(tmp_path) -> Path:
    for number in range(12):
        somebodys(tmp_path / "theirs", number)
    return tmp_path / "theirs"


@pytest.mark.parametrize("place", ["theirs", "theirs/in", ".", "other"])
def test_an_import_is_written_over_nothing_that_is_no_import(theirs, place):
    (theirs.parent / "other").mkdir()
    (theirs.parent / "other" / "mine.txt").write_text("mine")
    before = sorted(theirs.parent.rglob("*"))
    with pytest.raises(UserError, match="name another folder with --to"):
        imports.triples(workshop(theirs.parent), theirs, theirs.parent / place)
    assert sorted(theirs.parent.rglob("*")) == before


def test_an_import_may_be_made_again_and_opens_in_datasets_and_verifies(theirs, tmp_path):
    import datasets

    from corpusmith.release.verify import check_files

    for _ in range(2):
        imports.triples(workshop(tmp_path / "home"), theirs, tmp_path / "in")
    opened = datasets.load_dataset(str(tmp_path / "in"), split="train", cache_dir=str(tmp_path / "cache"))
    assert opened.features["kind"].names == ["imported"]
    diffseg.export(tmp_path / "in", tmp_path / "pairs")
    imports.pairs(workshop(tmp_path / "home"), tmp_path / "pairs", tmp_path / "again")
    assert check_files(tmp_path / "again").images == 24  # images and label maps; nobody knows the bases


def test_what_was_left_out_resized_or_unchanged_is_said(theirs, tmp_path):
    (theirs / "edited" / "3.png").unlink()
    saved(
        theirs / "mask" / "4.png",
        np.array(Image.open(theirs / "mask" / "4.png").resize((96, 96), Image.Resampling.NEAREST)),
    )
    (theirs / "edited" / "5.png").write_bytes((theirs / "original" / "5.png").read_bytes())
    [source] = imports.triples(workshop(tmp_path / "home"), theirs, tmp_path / "in").sources
    assert "1 names were left out, for one of original, edited and mask is missing: 3" in source["notes"]
    assert "1 masks were brought to the size of their edit" in source["notes"]
    assert "1 edits are the same as their original within their mask" in source["notes"]
    assert not [note for note in source["notes"] if "grey levels: a threshold" in note]


def test_what_is_transparent_in_a_mask_is_not_marked(theirs, tmp_path):
    mask = Image.open(theirs / "mask" / "0.png").convert("L")
    clear = Image.new("RGBA", mask.size, (255, 255, 255, 0))
    clear.putalpha(mask)
    clear.save(theirs / "mask" / "0.png")
    imports.triples(workshop(tmp_path / "home"), theirs, tmp_path / "in")
    [row] = rows_of(tmp_path / "in").filter(source="0").to_dicts()
    assert (masks.opened(row["mask"]["bytes"]) > 0).sum() == 400


@pytest.mark.parametrize(("text", "said"), [("[1,2", "no JSON"), ("[1, 2]", "expected"), ('{"1": 2}', "expected")])
def test_prompts_that_cannot_be_read_are_one_line(theirs, tmp_path, text, said):
    (theirs / "prompts.json").write_text(text)
    with pytest.raises(UserError, match=rf"prompts\.json.* {said}|prompts\.json: {said}"):
        imports.triples(workshop(tmp_path / "home"), theirs, tmp_path / "in")


def test_edits_of_whole_images_are_nothing_to_learn_from(theirs, tmp_path):
    for number in range(12):
        saved(theirs / "mask" / f"{number}.png", np.full((48, 48, 3), 255, np.uint8))
    with pytest.raises(SettingsError, match="every pixel"):
        imports.triples(workshop(tmp_path / "home"), theirs, tmp_path / "in")


def test_a_release_of_another_corpus_is_not_exported_and_leaves_no_folder(release, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    said = json.loads((release / "manifest.json").read_text())
    with pytest.raises(ReleaseError):
        diffseg.export(other, tmp_path / "out")
    assert said["params"]["edits"]
    assert not (tmp_path / "out").exists()


def test_rows_that_share_a_label_map_alone_are_no_row_of_the_old_release(theirs, tmp_path):
    from corpusmith.release.diff import diff

    imports.triples(workshop(tmp_path / "home"), theirs, tmp_path / "old")
    for number in range(12, 24):
        somebodys(tmp_path / "others", number)
    imports.triples(workshop(tmp_path / "home"), tmp_path / "others", tmp_path / "new")
    found = diff(tmp_path / "old", tmp_path / "new")
    assert (found.added, found.removed, found.renamed) == (12, 12, 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "is no JSON"), ("[1]", "expected a table, found list"), ('{"one": 1}', "name of an editor")],
)
def test_names_of_editors_that_cannot_be_read_are_an_error_of_that_file(tmp_path, text, says):
    (tmp_path / diffseg.NAMES).write_text(text)
    with pytest.raises(UserError, match=f"{diffseg.NAMES}.*{says}"):
        diffseg.labels(tmp_path)
