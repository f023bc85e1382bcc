import json

import numpy as np
import polars as pl
import pytest

from corpusmith.drawings import canvas, objects

ROWS = objects.traits(400, 3)


def pixels(row: dict) -> np.ndarray:
    return np.asarray(objects.draw(row), np.int16)


def test_every_class_is_drawn_equally_often() -> None:
    counts = objects.traits(400, 1)["name"].value_counts()
    assert set(counts["name"]) == set(objects.classes())
    assert set(counts["count"]) == {400 // len(objects.classes())}


def test_classes_are_imagenets_in_the_0_based_order(shared_data) -> None:
    index = json.loads((shared_data / "imagenet_labels" / "imagenet_class_index.json").read_text())
    for kind in objects.words()["classes"].values():
        assert index[str(kind["index"])][0] == kind["wnid"]


def test_a_drawing_is_a_small_rgb_image() -> None:
    image = objects.draw(ROWS.row(0, named=True))
    assert image.size == (canvas.SIZE, canvas.SIZE)
    assert image.mode == "RGB"


def test_the_same_seed_makes_the_same_table_and_drawings() -> None:
    again = objects.traits(400, 3)
    assert again.equals(ROWS)
    for old, new in zip(ROWS.head(20).to_dicts(), again.head(20).to_dicts(), strict=True):
        assert (pixels(old) == pixels(new)).all()


def test_drawings_do_not_depend_on_what_was_drawn_before() -> None:
    rows = ROWS.head(40)
    forward = canvas.render(rows, objects.draw)
    backward = canvas.render(rows.reverse(), objects.draw)
    assert (forward == backward[::-1]).all()


def test_drawings_are_those_of_many_processes() -> None:
    rows = ROWS.head(8)
    assert (canvas.render(rows, objects.draw, processes=2) == canvas.render(rows, objects.draw)).all()


def test_another_seed_gives_another_view_of_the_same_words() -> None:
    for row in ROWS.head(20).to_dicts():
        other = {**row, "seed": row["seed"] + 1}
        assert np.abs(pixels(row) - pixels(other)).mean() > 2


@pytest.mark.parametrize("name", objects.classes())
def test_the_object_itself_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "OCCLUDED", 0)
    monkeypatch.setattr(objects, "developed", lambda image, rng: canvas.finished(image))
    row = {"name": name, "background": "wall", "colour": None, "size": "large", "seed": 5}
    drawn = pixels(row)
    monkeypatch.setattr(objects, "place", lambda *args: None)
    empty = pixels(row)
    differs = np.abs(drawn - empty).max(axis=2) > 24
    assert 0.05 < differs.mean() < 0.9


def test_a_large_object_covers_more_than_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    radii: list[float] = []
    monkeypatch.setattr(objects, "place", lambda *args: radii.append(args[6]))
    for size in ("small", None, "large"):
        objects.draw({"name": "orange", "background": "wall", "colour": None, "size": size, "seed": 1})
    assert radii == sorted(radii)


def test_the_colour_asked_for_is_the_colour_seen() -> None:
    for colour, strongest in (("red", 0), ("green", 1), ("blue", 2)):
        row = {"name": "teapot", "background": "wall", "colour": colour, "size": "large", "seed": 11}
        inside = pixels(row)[24:44, 24:44].reshape(-1, 3).mean(axis=0)
        assert inside.argmax() == strongest


def test_backgrounds_differ_from_one_another() -> None:
    means = {
        name: np.mean(
            [
                pixels({"name": "lemon", "background": name, "colour": None, "size": "small", "seed": s})
                for s in range(6)
            ],
            axis=0,
        )
        for name in objects.words()["backgrounds"]
    }
    names = list(means)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            assert np.abs(means[first] - means[second]).mean() > 8, (first, second)


def test_captions_name_what_is_asked() -> None:
    for row in ROWS.to_dicts():
        assert row["name"] in row["prompt"]
        for said in (row["colour"], row["size"]):
            assert said is None or f" {said} " in row["prompt"]
        assert row["background"] is None or row["prompt"].endswith(objects.words()["backgrounds"][row["background"]])


def test_captions_are_english_sentences() -> None:
    table = pl.DataFrame(
        {
            "name": ["balloon", "hourglass", "envelope", "candle"],
            "background": ["park", None, None, "table"],
            "colour": ["red", None, "white", None],
            "size": ["large", None, None, "small"],
        }
    )
    assert objects.caption(table).to_list() == [
        "A large red balloon in a park",
        "An hourglass",
        "A white envelope",
        "A small candle on a table",
    ]


def test_a_colour_that_goes_without_saying_is_never_said() -> None:
    single = [name for name, kind in objects.words()["classes"].items() if len(kind["colours"]) == 1]
    assert ROWS.filter(pl.col("name").is_in(single))["colour"].null_count() == ROWS["name"].is_in(single).sum()


def test_some_attributes_are_left_unsaid() -> None:
    for attribute in ("background", "colour", "size"):
        assert 0 < ROWS[attribute].null_count() < ROWS.height


def test_an_empty_table_is_a_table() -> None:
    assert objects.traits(0, 1).columns == ROWS.columns


def test_what_stands_in_front_hides_a_part_and_never_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ROWS.head(60).to_dicts()
    monkeypatch.setattr(objects, "developed", lambda image, rng: canvas.finished(image))
    monkeypatch.setattr(objects, "OCCLUDED", 0)
    whole = [pixels(row) for row in rows]
    monkeypatch.setattr(objects, "OCCLUDED", 1)
    hidden = [(np.abs(pixels(row) - seen).max(axis=2) > 8).mean() for row, seen in zip(rows, whole, strict=True)]
    assert 0.02 < np.median(hidden) < 0.3
    assert max(hidden) < 0.5
