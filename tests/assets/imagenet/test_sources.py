"""Real images as they lie around: folders of wnids in splits or not, flat names, datasets, and all their traps."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagenet_home import photograph, workshop
from PIL import Image

from corpusmith.assets.imagenet import classes, sources
from corpusmith.assets.imagenet.photographs import PHOTOGRAPH, with_splits
from corpusmith.curate.images import opened
from corpusmith.drawings import objects
from corpusmith.errors import SettingsError, SourceError
from corpusmith.settings import Splits
from corpusmith.work.plan import keys

TENCH, GOLDFISH, SHARK = "n01440764", "n01443537", "n01484850"
WNIDS = classes.table()["wnid"].to_list()


def gathered(shop) -> pl.DataFrame:
    return sources.sources(shop).collect()


def of_three_splits(root: Path, suffix: str = "JPEG") -> None:
    for number, split in enumerate(("train", "val", "test")):
        for place, wnid in enumerate((TENCH, GOLDFISH)):
            photograph(root / split / wnid / f"{wnid}_1.{suffix}", 10 * number + place)


def notes_of(shop) -> list[str]:
    return [note for source in sources.described(shop) for note in source.notes]


def test_a_source_keeps_its_splits_and_its_paths(tmp_path):
    of_three_splits(tmp_path / "in")
    found = gathered(workshop(tmp_path, tmp_path / "in"))
    assert found.schema == sources.SOURCES
    assert dict(found.select("source", "split").rows())[f"val/{TENCH}/{TENCH}_1.JPEG"] == "validation"
    assert found["split"].value_counts().sort("split")["count"].to_list() == [2, 2, 2]
    assert found["index"].to_list() == sorted(found["index"])
    assert set(found["kind"]) == {"real"}


def test_folders_that_are_splits_themselves_are_sources_too(tmp_path):
    of_three_splits(tmp_path / "in")
    whole = gathered(workshop(tmp_path / "a", tmp_path / "in"))
    parts = gathered(workshop(tmp_path / "b", *(tmp_path / "in" / split for split in ("test", "val", "train"))))
    assert parts.equals(whole)


def test_a_folder_that_only_is_called_like_a_split_is_none(tmp_path):
    of_three_splits(tmp_path / "test")
    found = gathered(workshop(tmp_path, tmp_path / "test"))
    assert set(found["split"]) == {"train", "validation", "test"}
    assert f"val/{TENCH}/{TENCH}_1.JPEG" in set(found["source"])


def test_two_sources_with_the_same_paths_are_one_line(tmp_path):
    photograph(tmp_path / "a" / TENCH / "x.png", 1)
    photograph(tmp_path / "b" / TENCH / "x.png", 2)
    with pytest.raises(SourceError, match=f"two of the sources have {TENCH}/x.png"):
        sources.plan(workshop(tmp_path, tmp_path / "a", tmp_path / "b"))


def test_a_class_of_one_flat_file_is_enough_for_each_to_be_in_one_split(tmp_path):
    for number, wnid in enumerate(WNIDS[:8]):
        photograph(tmp_path / "in" / f"{wnid}_some_name.JPEG", number)
    found = gathered(workshop(tmp_path, tmp_path / "in"))
    assert found["split"].value_counts().sort("split")["count"].to_list() == [2, 4, 2]
    assert found["wnid"].to_list() == WNIDS[:8]


def rows_of(images: list[int]) -> pl.DataFrame:
    """So many images of each class."""
    rows = [
        {"wnid": WNIDS[place], "source": f"{place}/{n}"} for place, count in enumerate(images) for n in range(count)
    ]
    frame = pl.DataFrame(rows)
    return frame.with_columns(keys(frame, "", ("source",)).alias("file_sha256"), split=pl.lit(None, pl.String))


@given(st.lists(st.integers(1, 30), min_size=20, max_size=60), st.randoms())
def test_drawn_splits_have_their_shares_of_each_class_whatever_the_order(images, random):
    rows, shares = rows_of(images), Splits(validation=0.2, test=0.1)
    placed = with_splits(rows, shares)
    for split, share in (("test", 0.1), ("validation", 0.2)):
        counts = placed.group_by("wnid").agg(n=pl.len(), here=(pl.col("split") == split).sum())
        assert ((counts["here"] - counts["n"] * share).abs() <= 1).all()
    order = list(range(rows.height))
    random.shuffle(order)
    again = with_splits(rows[order], shares)
    assert placed.sort("source").equals(again.sort("source"))


def test_too_few_images_for_a_split_are_one_line():
    with pytest.raises(SettingsError, match="2 images of 2 classes leave none for validation"):
        with_splits(rows_of([1, 1]), Splits(validation=0.1, test=0.1))


def test_what_is_no_class_of_the_thousand_is_refused_with_its_folder(tmp_path):
    of_three_splits(tmp_path / "in")
    photograph(tmp_path / "in" / "train" / "n00000001" / "x.png", 99)
    with pytest.raises(SourceError, match=r"n00000001 is none of ImageNet's 1,000 .*train/n00000001/x\.png"):
        sources.ready(workshop(tmp_path, tmp_path / "in"))


def test_what_is_left_out_is_counted(tmp_path):
    root = tmp_path / "in"
    of_three_splits(root)
    photograph(root / "train" / SHARK / "x.png", 50)
    photograph(root / "train" / "stray.png", 51)
    photograph(root / "train" / TENCH / "deeper" / "still" / "y.png", 52)
    photograph(root / "train" / TENCH / "._x.png", 53)
    photograph(root / ".cache" / TENCH / "x.png", 54)
    (root / "LOC_train_solution.csv").write_text("a,b")
    (root / "train" / TENCH / "Thumbs.db").write_bytes(b"x")
    shop = workshop(tmp_path, root, classes=[TENCH, GOLDFISH, "n01491361"])
    found = gathered(shop)
    assert set(found["wnid"]) == {TENCH, GOLDFISH}
    assert f"train/{TENCH}/deeper/still/y.png" in set(found["source"])
    assert found.height == 7
    assert notes_of(shop) == [
        "7 images of 2 classes",
        "1 images whose class nothing says were left out, train/stray.png the first",
        f"1 images of classes that are not asked for were left out, train/{SHARK}/x.png the first",
        "2 files that are no images by their names were left out, LOC_train_solution.csv the first",
        "1 of 3 classes have no image: n01491361",
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["tench/x.png"], "nothing in .* says which class an image is of, tench/x.png the first: expected the folders"),
        (["val/ILSVRC2012_val_00000001.JPEG"], "nothing in .* says which class"),
        ([f"{number}/x.png" for number in range(1, 12)], "folders named by numbers, 1, 2, 3, 4, 5 and 6 more.*devkit"),
        (["notes.txt"], "holds no images"),
        ([f"{SHARK}/x.png"], "no image of the 1 classes that imagenet.classes asks for"),
    ],
)
def test_a_folder_without_a_class_is_one_line(tmp_path, names, said):
    for number, name in enumerate(names):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("nothing")
        else:
            photograph(path, number)
    with pytest.raises(SourceError, match=said):
        sources.plan(workshop(tmp_path, tmp_path / "in", classes=[TENCH]))


def test_a_source_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SourceError, match="no folder or dataset"):
        sources.plan(workshop(tmp_path, tmp_path / "absent"))
    (tmp_path / "file.zip").write_bytes(b"PK")
    with pytest.raises(SourceError, match="no folder or dataset"):
        sources.plan(workshop(tmp_path, tmp_path / "file.zip"))


def test_folders_of_all_indexes_are_classes_as_imagenet_v2_has_them(tmp_path):
    one = photograph(tmp_path / "one.png").read_bytes()
    for index in range(1_000):
        (tmp_path / "in" / str(index)).mkdir(parents=True)
        (tmp_path / "in" / str(index) / "x.png").write_bytes(one + bytes([index // 256, index % 256]))
    found = sources.plan(workshop(tmp_path, tmp_path / "in", classes=[WNIDS[2], WNIDS[10], WNIDS[100], WNIDS[999]]))
    assert found["source"].to_list() == ["2/x.png", "10/x.png", "100/x.png", "999/x.png"]


@pytest.mark.parametrize(
    ("name", "mode", "more"),
    [
        ("a.JPEG", "L", {}),
        ("a.JPEG", "CMYK", {}),
        ("a.png", "P", {}),
        ("a.png", "RGBA", {}),
        ("a.jpg", "RGB", {"format": "WEBP"}),
    ],
)
def test_an_image_of_any_mode_and_a_wrong_name_is_kept_in_colour(tmp_path, name, mode, more):
    of_three_splits(tmp_path / "in")
    photograph(tmp_path / "in" / "train" / SHARK / name, 9, mode, **more)
    [row] = gathered(workshop(tmp_path, tmp_path / "in")).filter(wnid=SHARK).to_dicts()
    image = opened(row["image"]["bytes"], 64)
    assert (image.format, image.mode, row["width"], row["height"]) == ("PNG", "RGB", 40, 30)


def test_a_turned_photograph_is_put_upright_and_a_large_one_averaged_down(tmp_path):
    of_three_splits(tmp_path / "in")
    turned = Image.Exif()
    turned[0x0112] = 6
    photograph(tmp_path / "in" / "train" / SHARK / "x.JPEG", 9, size=(400, 100), exif=turned)
    [row] = gathered(workshop(tmp_path, tmp_path / "in")).filter(wnid=SHARK).to_dicts()
    assert (row["width"], row["height"]) == (16, 64)


def test_a_file_that_is_no_image_has_a_row_without_one(tmp_path):
    of_three_splits(tmp_path / "in")
    (tmp_path / "in" / "train" / TENCH / "broken.JPEG").write_bytes(b"\xff\xd8\xff not an image")
    (tmp_path / "in" / "train" / TENCH / "empty.JPEG").write_bytes(b"")
    found = gathered(workshop(tmp_path, tmp_path / "in"))
    broken = found.filter(pl.col("image_sha256").is_null())
    assert sorted(Path(source).name for source in broken["source"]) == ["broken.JPEG", "empty.JPEG"]
    assert broken["image"].is_null().all() or broken["image"].struct.field("bytes").is_null().all()
    assert broken["name"].to_list() == ["tench", "tench"]


def test_the_same_bytes_are_in_one_split_and_one_class(tmp_path):
    root = tmp_path / "in"
    of_three_splits(root)
    shutil.copy(root / "val" / TENCH / f"{TENCH}_1.JPEG", root / "train" / TENCH / "leak.JPEG")
    shutil.copy(root / "train" / TENCH / f"{TENCH}_1.JPEG", root / "train" / TENCH / "again.JPEG")
    both = photograph(root / "train" / TENCH / "both.JPEG", 70)
    shutil.copy(both, root / "test" / GOLDFISH / "both.JPEG")
    shop = workshop(tmp_path, root)
    plan = sources.plan(shop)
    assert plan["file_sha256"].is_unique().all()
    assert f"val/{TENCH}/{TENCH}_1.JPEG" in set(plan["source"])
    assert not plan["source"].str.contains("leak|both").any()
    notes = notes_of(shop)
    assert f"2 images lie under two classes and were left out, test/{GOLDFISH}/both.JPEG the first" in notes
    assert "2 images repeat another's bytes and were left out; 1 lay in several splits and stayed in one" in notes


def test_a_text_beside_an_image_is_its_caption(tmp_path):
    of_three_splits(tmp_path / "in", "png")
    (tmp_path / "in" / "train" / TENCH / f"{TENCH}_1.txt").write_text("a tench\nin hand\n")
    shop = workshop(tmp_path, tmp_path / "in")
    before = sources.inputs(shop)
    found = gathered(shop)
    assert found["caption"].drop_nulls().to_list() == ["a tench in hand"]
    assert not [note for note in notes_of(shop) if "no images by their names" in note]
    (tmp_path / "in" / "train" / TENCH / f"{TENCH}_1.txt").write_text("a fish")
    assert sources.inputs(shop) != before
    for wrong in (b"\xff\xfe", b"long " * 5_000):
        (tmp_path / "in" / "train" / TENCH / f"{TENCH}_1.txt").write_bytes(wrong)
        with pytest.raises(SourceError, match=rf"{TENCH}_1\.txt is beside an image and should be its caption"):
            sources.plan(shop)


def test_a_source_that_changed_has_other_inputs_and_only_new_files_are_read(tmp_path, monkeypatch):
    from corpusmith.ingest import photographs

    of_three_splits(tmp_path / "in")
    shop = workshop(tmp_path, tmp_path / "in")
    before = sources.inputs(shop)
    assert sources.inputs(shop) == before
    photograph(tmp_path / "in" / "train" / TENCH / "new.JPEG", 80)
    read = []
    monkeypatch.setattr(photographs, "digest", lambda path: read.append(Path(path).name) or "0" * 64)
    assert sources.inputs(shop) != before
    assert read == ["new.JPEG"]


def test_linked_folders_are_read_and_a_circle_of_links_ends(tmp_path):
    of_three_splits(tmp_path / "real")
    (tmp_path / "in").mkdir()
    os.symlink(tmp_path / "real" / "train", tmp_path / "in" / "train")
    os.symlink(tmp_path / "real" / "val", tmp_path / "in" / "val")
    os.symlink(tmp_path / "real" / "test", tmp_path / "in" / "test")
    os.symlink(tmp_path / "in", tmp_path / "real" / "train" / "back")
    assert sources.plan(workshop(tmp_path, tmp_path / "in")).height == 6


def dataset(labels: object, feature: object, **columns: object):
    import datasets

    images = [Image.new("RGB", (8, 8), (number, 0, 0)) for number in range(len(labels))]
    features = datasets.Features(
        {"image": datasets.Image(), "label": feature, **{name: datasets.Value("string") for name in columns}}
    )
    return datasets.Dataset.from_dict({"image": images, "label": labels, **columns}, features=features)


def test_a_dataset_is_a_source_by_names_wnids_or_indexes(tmp_path):
    import datasets

    names = datasets.ClassLabel(names=["goldfish, Carassius auratus", "tench"])
    kinds = {
        "names": ([1, 0, 1, 0], names),
        "wnids": ([TENCH, GOLDFISH, TENCH, GOLDFISH], datasets.Value("string")),
        "indexes": ([0, 1, 0, 1], datasets.Value("int64")),
    }
    for kind, (labels, feature) in kinds.items():
        dataset(labels, feature, caption=["a", "b", "c", ""]).save_to_disk(tmp_path / kind)
        shop = workshop(tmp_path / "home", tmp_path / kind)
        found = gathered(shop)
        assert found["wnid"].to_list() == [TENCH, TENCH, GOLDFISH, GOLDFISH]
        assert sorted(found["caption"].drop_nulls()) == ["a", "b", "c"]
        assert found["split"].n_unique() == 3
        assert any("taken for indexes" in note for note in notes_of(shop)) == (kind == "indexes")


def test_the_splits_of_a_dataset_are_kept_and_what_has_no_label_is_left_out(tmp_path):
    import datasets

    every = datasets.ClassLabel(names=classes.table()["synonyms"].to_list())
    parts = {"train": [0, 1, 2], "validation": [3, 4], "test": [-1, 5]}
    shades = iter(range(100))
    both = datasets.DatasetDict()
    for split, labels in parts.items():
        images = [Image.new("RGB", (8, 8), (next(shades), 0, 0)) for _ in labels]
        features = datasets.Features({"image": datasets.Image(), "label": every})
        both[split] = datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)
    both.save_to_disk(tmp_path / "in")
    shop = workshop(tmp_path / "home", tmp_path / "in")
    found = gathered(shop)
    assert dict(found.select("index", "split").rows()) == {
        **dict.fromkeys((0, 1, 2), "train"),
        **dict.fromkeys((3, 4), "validation"),
        5: "test",
    }
    assert "1 images of test have no label and were left out" in notes_of(shop)


def test_a_dataset_that_was_saved_anew_is_read_anew(tmp_path):
    import datasets

    for labels in ([0, 1, 0, 1], [2, 3, 2, 3]):
        shutil.rmtree(tmp_path / "in", ignore_errors=True)
        dataset(labels, datasets.Value("int64")).save_to_disk(tmp_path / "in")
        assert sorted(sources.plan(workshop(tmp_path / "home", tmp_path / "in"))["index"]) == sorted(labels)


def test_labels_in_the_order_of_the_devkit_are_refused(tmp_path):
    import datasets

    shuffled = [WNIDS[number * 7 % 1_000] for number in range(1, 1_001)]
    dataset([0, 1], datasets.ClassLabel(names=shuffled)).save_to_disk(tmp_path / "names")
    dataset([1, 1_000], datasets.Value("int32")).save_to_disk(tmp_path / "numbers")
    dataset([0, 1], datasets.ClassLabel(names=["tench", "griffin"])).save_to_disk(tmp_path / "unknown")
    dataset([0, 1], datasets.ClassLabel(names=["tench", "missile"])).save_to_disk(tmp_path / "either")
    dataset([0, 1], datasets.ClassLabel(names=["0", "1"])).save_to_disk(tmp_path / "digits")
    for name, said in {
        "names": "column label numbers its classes in another order.*devkit",
        "numbers": "has the label 1000: expected indexes from 0 to 999.*devkit",
        "unknown": "'griffin' is none of ImageNet's classes; the nearest are",
        "either": "'missile' may be n03773504 or n04008634",
        "digits": "'0' is none",
    }.items():
        with pytest.raises(SourceError, match=said):
            sources.plan(workshop(tmp_path / "home", tmp_path / name))


def test_a_dataset_without_images_or_labels_is_one_line(tmp_path):
    import datasets

    dataset([0, 1], datasets.Value("int32")).remove_columns("label").save_to_disk(tmp_path / "bare")
    datasets.Dataset.from_dict({"label": [0]}).save_to_disk(tmp_path / "blind")
    with pytest.raises(SourceError, match="no column of labels, but image"):
        sources.plan(workshop(tmp_path / "home", tmp_path / "bare"))
    with pytest.raises(SourceError, match="no column of images, but label"):
        sources.plan(workshop(tmp_path / "home", tmp_path / "blind"))


def test_drawings_are_as_many_of_each_class_and_all_different(tmp_path):
    shop = workshop(tmp_path, classes="drawn", drawn=(3, 1, 2))
    found = gathered(shop)
    counts = found.group_by("wnid", "split").len().sort("wnid", "split")["len"].to_list()
    assert counts == [2, 3, 1] * 20
    assert found["image_sha256"].is_unique().all()
    assert all(row["name"] in row["caption"] for row in found.to_dicts())
    assert found["source"][0].startswith(f"drawn/train/{found['wnid'][0]}/0000")
    assert (set(found["kind"]), set(found["licence"])) == ({"drawn"}, {"apache-2.0"})
    assert sources.inputs(shop) == {}
    assert sources.described(shop) == []


def test_more_drawings_leave_the_first_as_they_are(tmp_path):
    few = gathered(workshop(tmp_path, classes="drawn", drawn=(1, 1, 1)))
    more = gathered(workshop(tmp_path, classes="drawn", drawn=(2, 1, 1)))
    kept = few.select("source", "image_sha256").join(more.select("source", "image_sha256"), on="source", suffix="_more")
    assert kept.height == few.height
    assert (kept["image_sha256"] == kept["image_sha256_more"]).all()


def test_a_list_of_classes_alone_is_places_without_images(tmp_path):
    shop = workshop(tmp_path, classes=[TENCH, GOLDFISH], each=8)
    found = gathered(shop)
    assert found.schema == sources.SOURCES
    assert found["source"][0] == f"none/{TENCH}/0000"
    assert (found.height, found["image_sha256"].null_count(), set(found["kind"])) == (16, 16, {"none"})
    assert found.group_by("split").len().sort("split")["len"].to_list() == [4, 8, 4]
    with pytest.raises(SettingsError, match="of_each_class is 0"):
        sources.plan(workshop(tmp_path, classes=[TENCH]))


def test_some_of_the_classes_that_can_be_drawn_are_drawn_unless_places_are_asked_for(tmp_path):
    few = classes.chosen("drawn")["wnid"][:3].to_list()
    kinds = {each: set(gathered(workshop(tmp_path, classes=few, each=each))["kind"]) for each in (0, 4)}
    assert kinds == {0: {"drawn"}, 4: {"none"}}
    assert sources.kind_of(workshop(tmp_path, classes=[*few, TENCH]).settings.imagenet) == "none"


def test_partitions_are_blocks_of_classes_that_change_with_their_images_alone(tmp_path):
    for number, wnid in enumerate((WNIDS[0], WNIDS[1], WNIDS[2], WNIDS[600])):
        photograph(tmp_path / "in" / wnid / "x.png", number)
    shop = workshop(tmp_path, tmp_path / "in")
    before = sources.partitions(shop)
    assert list(before) == ["000-249", "500-749"]
    photograph(tmp_path / "in" / WNIDS[600] / "y.png", 9)
    after = sources.partitions(shop)
    assert after["500-749"] != before["500-749"]
    assert sources.blocks(shop)["000-249"] == WNIDS[:3]


def test_a_real_sample_of_one_photograph_a_class_is_a_source(shared_data, tmp_path):
    folder = shared_data / "imagenet_sample_dev" / "images"
    shop = workshop(tmp_path, folder, shares=0.1)
    plan = sources.plan(shop)
    assert plan.schema == PHOTOGRAPH
    assert plan["wnid"].is_unique().all()
    assert plan["split"].value_counts().sort("split")["count"].to_list() == [34, 267, 33]
    assert "666 of 1,000 classes have no image" in notes_of(shop)[-1]
    few = workshop(tmp_path, folder, classes=plan["wnid"].to_list()[::12], shares=0.2)
    found = gathered(few)
    assert found["image_sha256"].null_count() == 0
    assert found.select(pl.max_horizontal("width", "height").max()).item() == 64


def test_what_is_drawn_is_what_the_library_draws():
    traits = sources.traits_of("teapot", 7)
    assert traits["name"] == "teapot"
    assert objects.draw(traits).tobytes() == objects.draw(sources.traits_of("teapot", 7)).tobytes()
