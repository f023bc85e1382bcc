"""The images that are edited, as they come: any mode and size, with annotations that fit, do not fit, or are broken."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from corpusmith.assets.edits import regions, scenes, sources, turns
from corpusmith.assets.edits.makers import finder
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.curate import masks
from corpusmith.errors import SourceError
from corpusmith.models.catalog import entry
from corpusmith.models.generator import Generator


def workshop(home: Path, *source: Path | str, **more: str) -> Workshop:
    overrides = ["work.max_failure_rate=1.0", *(f"{name.replace('__', '.')}={value}" for name, value in more.items())]
    named = ("edits", [str(one) for one in source])
    return Workshop(home, load(profile="smoke", source=named, overrides=overrides))


def gathered(shop: Workshop) -> pl.DataFrame:
    settings = shop.settings.edits.scenes
    plan = sources.photographs(shop)
    return scenes.scenes(plan, settings, Generator(entry(settings.generator)), shop.make).collect()


def picture(mode: str = "RGB", size: tuple[int, int] = (80, 60)) -> Image.Image:
    random = np.random.default_rng(0)
    rgb = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    return rgb.convert(mode)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.jpg", "CMYK"), ("a.png", "RGBA"), ("a.png", "P"), ("a.png", "L"), ("a.png", "1"), ("a.webp", "RGB")],
)
def test_an_image_of_any_mode_becomes_a_scene_in_colour(tmp_path, name, mode):
    picture(mode).save(tmp_path / name)
    [row] = gathered(workshop(tmp_path / "home", tmp_path / name)).to_dicts()
    assert (row["width"], row["height"], row["kind"]) == (80, 60, "real")


def test_a_large_image_is_averaged_down_and_a_turned_one_put_upright(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(size=(400, 100)).save(tmp_path / "turned.jpg", exif=turned)
    [row] = gathered(workshop(tmp_path / "home", tmp_path, edits__scenes__max_edge="128")).to_dicts()
    assert (row["width"], row["height"]) == (32, 128)


def test_an_image_of_one_pixel_has_no_region_and_a_file_that_is_none_has_no_scene(tmp_path):
    picture(size=(1, 1)).save(tmp_path / "one.png")
    (tmp_path / "none.png").write_bytes(b"not an image")
    shop = workshop(tmp_path / "home", tmp_path)
    found = gathered(shop)
    assert found["image_sha256"].null_count() == 1
    settings = shop.settings.edits
    assert regions.regions(found.lazy(), finder(settings), shop.make, settings.regions).collect().is_empty()


def test_a_panorama_is_read_in_bounded_memory_and_one_that_is_too_large_is_not(tmp_path):
    Image.new("L", (20_000, 1_500), 90).save(tmp_path / "panorama.png")
    Image.new("1", (70_000, 1_000)).save(tmp_path / "bomb.png")
    shop = workshop(tmp_path / "home", tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = gathered(shop).sort("width", nulls_last=True)
    assert found["width"].to_list() == [1024, None]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KB; its pixels alone take 90 MB


def coco(folder: Path, segmentation: object, width: int = 80, height: int = 60, **more: object) -> Path:
    annotation = {
        "id": 7,
        "image_id": 1,
        "category_id": 3,
        "segmentation": segmentation,
        "iscrowd": 0,
        "area": 1,
    } | more
    said = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": width, "height": height, "license": 4},
            {"id": 2, "file_name": "absent.png", "width": 5, "height": 5},
        ],
        "annotations": [annotation],
        "categories": [{"id": 3, "name": "kite"}],
        "licenses": [{"id": 4, "name": "Attribution License"}],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(said))
    return path


SQUARE = [[10, 10, 40, 10, 40, 40, 10, 40]]


def test_annotations_give_names_masks_and_licences_and_what_does_not_match_is_said(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "unknown.png"):
        picture(size=(80, 60) if name == "a.png" else (81, 60)).save(tmp_path / "photos" / name)
    shop = workshop(tmp_path / "home", tmp_path / "photos", coco(tmp_path, SQUARE))
    found = {row["source"]: row for row in gathered(shop).to_dicts()}
    [thing] = found["a.png"]["things"]
    assert thing["name"] == "kite"
    assert (masks.opened(thing["mask"]) > 0).sum() == 900
    assert found["a.png"]["licence"] == "Attribution License"
    assert found["unknown.png"]["things"] is None
    notes = [note for source in sources.described(shop) for note in source.notes]
    assert "1 of 2 images that it names are not here, absent.png the first" in notes
    assert "1 images are not in it, unknown.png the first: their regions are found by a model" in notes


@pytest.mark.parametrize(
    ("segmentation", "more", "unread"),
    [
        ([[10, 10, 40]], {}, "annotation 7"),
        ([[200, 200, 300, 200, 300, 300]], {}, "no pixel in the image"),
        ({"counts": [10, 10], "size": [60, 80]}, {}, "annotation 7"),
        ({"counts": "not runs \u00ff", "size": [60, 80]}, {}, "annotation 7"),
        ([[0, 0, 40, 40, 40, 0, 0, 40]], {}, None),
        (SQUARE, {"iscrowd": 1}, None),
    ],
)
def test_a_broken_region_is_left_out_and_said_and_a_crowd_is_left_out(tmp_path, segmentation, more, unread):
    (tmp_path / "photos").mkdir()
    picture().save(tmp_path / "photos" / "a.png")
    [row] = gathered(workshop(tmp_path / "home", tmp_path / "photos", coco(tmp_path, segmentation, **more))).to_dicts()
    assert row["image_sha256"]
    if unread:
        assert row["things"] == []
        assert unread in row["unread"][0]
    else:
        assert (len(row["things"]), row["unread"]) == (0 if more else 1, [])


def test_annotations_of_another_size_make_the_scene_fail(tmp_path):
    (tmp_path / "photos").mkdir()
    picture().save(tmp_path / "photos" / "a.png")
    shop = workshop(tmp_path / "home", tmp_path / "photos", coco(tmp_path, SQUARE, width=640))
    assert gathered(shop)["image_sha256"].to_list() == [None]


def test_a_dataset_with_images_is_a_source_and_one_without_is_refused(tmp_path):
    import datasets

    saved = datasets.Dataset.from_dict({"photo": [picture(), picture(size=(40, 40))], "n": [1, 2]})
    saved.save_to_disk(tmp_path / "with")
    assert sorted(gathered(workshop(tmp_path / "home", tmp_path / "with"))["width"]) == [40, 80]
    saved.remove_columns("photo").save_to_disk(tmp_path / "without")
    with pytest.raises(SourceError, match="no column of images, but n"):
        sources.files(workshop(tmp_path / "home", tmp_path / "without"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere/", "no file, folder or dataset"),
        ("instances.json", "names annotations alone"),
        ("missing.json", "no file"),
    ],
)
def test_a_source_that_cannot_be_used_is_one_line(tmp_path, source, said):
    coco(tmp_path, SQUARE)
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(SourceError, match=said):
        sources.files(workshop(tmp_path / "home", tmp_path / source))


def test_the_photographs_of_coco_are_edited_in_their_own_masks(shared_data, tmp_path):
    folder = shared_data / "coco_tiny_dev"
    shop = workshop(tmp_path, folder / "val2017", folder / "annotations" / "instances_val2017.json")
    found = gathered(shop)
    settings = shop.settings.edits
    where = regions.regions(found.lazy(), finder(settings), shop.make, settings.regions).collect()
    planned = turns.plan(found.lazy(), where.lazy(), settings.editors, settings.turns)
    assert found["image_sha256"].null_count() == 0
    assert set(where["found_by"]) == {"source", "free"}
    assert "person" in set(where["name"])
    assert planned.filter(pl.col("operation") != "add").height > 20
