"""What is read of COCO instances files: every instance, its mask as pycocotools has it, and what is wrong in words."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from corpusmith.errors import SourceError
from corpusmith.ingest import coco

IMAGE = {"id": 3, "file_name": "a.jpg", "width": 8, "height": 5, "license": 2}
SQUARE = [[2.5, 1, 6, 1, 6, 4, 2, 4]]
INSTANCE = {"id": 7, "image_id": 3, "category_id": 5, "iscrowd": 0, "area": 12, "segmentation": SQUARE}
RUNS = {"counts": [3, 4, 33], "size": [5, 8]}


def file(path: Path, **changes: Any) -> Path:
    """A COCO file with one image and one instance; a list that is None is left out."""
    lists = {
        "licenses": [{"id": 2, "name": "Attribution License", "url": "http://example.com"}],
        "images": [IMAGE],
        "annotations": [INSTANCE],
        "categories": [{"id": 5, "name": "airplane", "supercategory": "vehicle"}],
        **changes,
    }
    return text(path, json.dumps({name: found for name, found in lists.items() if found is not None}))


def text(path: Path, content: str) -> Path:
    path = path / "instances.json"
    path.write_text(content, encoding="utf-8")
    return path


def everything(path: Path) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=coco.INSTANCES), *coco.instances(path)])


@pytest.fixture(params=["train", "val"])
def real(shared_data: Path, request: pytest.FixtureRequest) -> Path:
    path = shared_data / "coco_tiny_dev" / "annotations" / f"instances_{request.param}2017.json"
    if not path.is_file():
        pytest.skip(f"the real annotations are not here: {path} is missing")
    return path


def test_every_real_mask_has_the_pixels_of_pycocotools(real: Path) -> None:
    oracle = pytest.importorskip("pycocotools.mask", reason="pycocotools, the oracle, is not installed")
    rows = everything(real).join(coco.images(real), on="image_id", validate="m:1")
    assert rows.height == {"train": 470, "val": 382}[real.stem.split("_")[1][:-4]]
    for outline, height, width in rows.select("segmentation", "height", "width").iter_rows():
        found = oracle.frPyObjects(json.loads(outline), height, width)
        theirs = oracle.decode(oracle.merge(found) if isinstance(found, list) else found)
        assert (coco.mask_of(outline, height, width) == theirs).all()


def test_every_real_row_is_as_the_file_has_it(real: Path) -> None:
    found = json.loads(real.read_bytes())
    names = ("image_id", "id", "category_id", "iscrowd", "area", "segmentation")
    for row, annotation in zip(everything(real).rows(), found["annotations"], strict=True):
        assert (*row[:-1], json.loads(row[-1])) == tuple(annotation[name] for name in names)
    assert coco.categories(real) == {entry["id"]: entry["name"] for entry in found["categories"]}
    assert coco.images(real)["file_name"].to_list() == [image["file_name"] for image in found["images"]]
    assert coco.images(real).null_count().row(0) == (0,) * 6


def test_an_instance_is_a_row(tmp_path: Path) -> None:
    rows = everything(file(tmp_path))
    assert rows.schema == coco.INSTANCES
    assert rows.rows() == [(3, 7, 5, False, 12.0, "[[2.5,1,6,1,6,4,2,4]]")]


def test_an_instance_without_area_and_iscrowd_is_a_row_too(tmp_path: Path) -> None:
    bare = {name: INSTANCE[name] for name in ("id", "image_id", "category_id", "segmentation")}
    assert everything(file(tmp_path, annotations=[bare])).row(0)[3:5] == (False, None)


def test_an_image_is_a_row_with_the_name_of_its_licence(tmp_path: Path) -> None:
    rows = coco.images(file(tmp_path))
    assert rows.schema == coco.IMAGES
    assert rows.rows() == [(3, "a.jpg", 8, 5, "Attribution License", None)]


@pytest.mark.parametrize("licence", [{"license": 9}, {"license": None}, {"license": [2]}, {}])
def test_a_licence_that_the_file_does_not_name_is_null(tmp_path: Path, licence: dict[str, Any]) -> None:
    image = {name: value for name, value in IMAGE.items() if name != "license"} | licence
    assert coco.images(file(tmp_path, images=[image]))["licence"].to_list() == [None]


def test_a_file_without_licences_is_read(tmp_path: Path) -> None:
    assert coco.images(file(tmp_path, licenses=None))["licence"].to_list() == [None]


def test_the_url_is_that_of_coco_or_else_that_of_flickr(tmp_path: Path) -> None:
    flickr, both = IMAGE | {"flickr_url": "f"}, IMAGE | {"flickr_url": "f", "coco_url": "c"}
    assert coco.images(file(tmp_path, images=[flickr, both]))["url"].to_list() == ["f", "c"]


def test_lists_without_entries_are_no_rows(tmp_path: Path) -> None:
    path = file(tmp_path, images=[], annotations=[], categories=[])
    assert (everything(path).height, coco.images(path).height, coco.categories(path)) == (0, 0, {})


def test_frames_are_bounded_and_come_before_the_file_ends(tmp_path: Path) -> None:
    path = file(tmp_path, annotations=[INSTANCE] * 20_001)
    assert [frame.height for frame in coco.instances(path)] == [10_000, 10_000, 1]
    text(tmp_path, path.read_text(encoding="utf-8")[:-1000])
    frames = coco.instances(path)
    assert next(frames).height == 10_000
    with pytest.raises(SourceError, match="premature EOF"):
        list(frames)


@pytest.mark.parametrize("content", ["", "hello", '{"annotations": [{"id": NaN}]}', '{"annotations": []} more', "\x80"])
def test_what_is_no_json_is_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError, match=r"instances\.json: expected a whole JSON file, found a \w+ error"):
        everything(text(tmp_path, content))


def test_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read .*nowhere\.json"):
        everything(tmp_path / "nowhere.json")


@pytest.mark.parametrize("read", [everything, coco.images])
@pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
def test_a_truncated_file_is_an_error_wherever_it_ends(tmp_path: Path, read: Any, place: float) -> None:
    content = file(tmp_path).read_text(encoding="utf-8")
    with pytest.raises(SourceError, match="expected a whole JSON file"):
        read(text(tmp_path, content[: int(place * len(content))]))


@pytest.mark.parametrize("found", [None, {"a": 1}, "list", 3])
def test_a_file_without_the_lists_is_no_instances_file(tmp_path: Path, found: Any) -> None:
    path = file(tmp_path, images=found, annotations=found, categories=found)
    with pytest.raises(SourceError, match='found no list "annotations"'):
        everything(path)
    with pytest.raises(SourceError, match='found no list "images"'):
        coco.images(path)
    with pytest.raises(SourceError, match='expected a list "categories"'):
        coco.categories(path)


def test_a_list_at_the_top_is_no_instances_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='found no list "annotations"'):
        everything(text(tmp_path, "[1, 2]"))


@pytest.mark.parametrize("name", ["image_id", "category_id", "segmentation"])
@pytest.mark.parametrize("value", [None, "x", True, 1.5])
def test_an_instance_that_lacks_a_field_is_named(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(SourceError, match=rf"instances\.json: annotation 7: expected .* as its {name}, found"):
        everything(file(tmp_path, annotations=[INSTANCE | {name: value}]))


def test_an_instance_without_id_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="annotation without id: expected a whole number as its id"):
        everything(file(tmp_path, annotations=[{"image_id": 3}]))


def test_what_is_no_object_in_a_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='expected objects in "annotations", number 2 is 3'):
        everything(file(tmp_path, annotations=[INSTANCE, 3]))


@pytest.mark.parametrize("name", ["file_name", "width", "height"])
def test_an_image_that_lacks_a_field_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=rf"image 3: expected .* as its {name}, found None"):
        coco.images(file(tmp_path, images=[IMAGE | {name: None}]))


@pytest.mark.parametrize("entries", [[{"id": 1}], [{"name": "a"}], [3], [{"id": 1, "name": "a"}] * 2])
def test_a_category_without_an_id_of_its_own_and_a_name_is_an_error(tmp_path: Path, entries: list[Any]) -> None:
    with pytest.raises(SourceError, match="each of another id and with a name"):
        coco.categories(file(tmp_path, categories=entries))


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"\\"[[":', "[ \n"])
def test_deep_nesting_is_refused_before_it_takes_the_memory(tmp_path: Path, opening: str) -> None:
    with pytest.raises(SourceError, match="more than 64 lists in each other"):
        everything(text(tmp_path, '{"annotations": ' + opening * 100_000))


def test_brackets_in_texts_nest_nothing_wherever_a_block_ends(tmp_path: Path) -> None:
    draw = random.Random(0)
    texts = ["".join(draw.choices('[{"\\]}', k=draw.randrange(9))) for _ in range(2000)]
    path = file(tmp_path, texts=texts)
    shallow = coco._Shallow(path.open("rb"), path)
    while shallow.read(7):
        pass
    assert shallow._depth == 0
    assert everything(path).height == 1


def test_the_masks_of_polygons_and_of_runs_are_read() -> None:
    assert coco.mask_of(json.dumps(SQUARE), 5, 8).sum() == 12
    runs = np.flatnonzero(coco.mask_of(json.dumps(RUNS), 5, 8).T)
    assert runs.tolist() == [3, 4, 5, 6]
    assert (coco.mask_of('{"counts": "34Q1", "size": [5, 8]}', 5, 8) == coco.mask_of(json.dumps(RUNS), 5, 8)).all()


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ("", "zero-length"),
        ("[[1,2", "unexpected"),
        ("3", "list of polygons, or counts"),
        ("{}", "list of polygons, or counts"),
        ('{"counts": {}, "size": [5, 8]}', "list of polygons, or counts"),
        ('{"counts": [40]}', r"size \[5, 8\], found None"),
        ('{"counts": [40], "size": [8, 5]}', r"size \[5, 8\], found \[8, 5\]"),
        ('{"counts": [39], "size": [5, 8]}', "40 pixels in all, found 39"),
        ('{"counts": "34Q", "size": [5, 8]}', "end in the middle"),
        ("[]", "at least one polygon"),
        ("[[1, 2, 3]]", "three corners"),
    ],
)
def test_a_segmentation_that_is_none_says_why(segmentation: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        coco.mask_of(segmentation, 5, 8)
