import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from corpusmith.drawings import canvas, objects, scenes
from corpusmith.drawings.objects_backgrounds import SIDE
from corpusmith.drawings.objects_pen import Pen, view

ROWS = scenes.traits(150, 3)


def test_the_same_seed_makes_the_same_scenes() -> None:
    again = scenes.traits(150, 3)
    assert again.equals(ROWS)
    assert (canvas.render(again.head(20), scenes.draw) == canvas.render(ROWS.head(20), scenes.draw)).all()


def test_one_to_three_objects_with_names_and_places_of_their_own() -> None:
    assert set(ROWS["objects"].list.len()) == {1, 2, 3}
    for things in ROWS["objects"]:
        assert len({thing["name"] for thing in things}) == len({thing["place"] for thing in things}) == len(things)


def test_everything_that_has_a_shape_appears() -> None:
    assert set(ROWS["objects"].explode().struct.field("name")) == set(objects.kinds()) == set(objects.SHAPES)


def test_the_drawing_is_the_same_with_and_without_masks() -> None:
    for row in ROWS.head(30).to_dicts():
        image, masks = scenes.draw_with_masks(row)
        assert image.tobytes() == scenes.draw(row).tobytes()
        assert masks.shape == (len(row["objects"]), canvas.SIZE, canvas.SIZE)
        assert masks.dtype == np.uint8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_masks_are_disjoint_and_nothing_but_0_and_255(seed: int) -> None:
    row = scenes.traits(1, seed % 1000).row(0, named=True) | {"seed": seed}
    masks = scenes.draw_with_masks(row)[1]
    assert set(np.unique(masks)) <= {0, 255}
    assert (masks > 0).sum(axis=0).max() <= 1


def test_every_object_remains_in_sight() -> None:
    for row in ROWS.to_dicts():
        seen = (scenes.draw_with_masks(row)[1] > 0).sum(axis=(1, 2))
        assert (seen >= 20).all(), row


def test_a_mask_is_where_an_object_covers_half_of_a_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    def disc(name, colour, image, rng, x, y, radius, labels, label) -> None:
        Pen(image, view(rng, x, y, radius, 180), labels, label).disc(0, 0, 1, (255, 255, 255), 0.7)

    monkeypatch.setattr(scenes, "place", disc)
    monkeypatch.setattr(scenes, "background", lambda *args: Image.new("RGB", (SIDE, SIDE)))
    monkeypatch.setattr(scenes, "developed", lambda image, rng: canvas.finished(image))
    for row in ROWS.filter(pl.col("objects").list.len() == 1).head(40).to_dicts():
        image, (mask,) = scenes.draw_with_masks(row)
        assert ((np.asarray(image)[:, :, 0] >= 127) == (mask > 0)).all()


@pytest.mark.parametrize("name", objects.kinds())
def test_a_mask_holds_what_the_object_changes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "developed", lambda image, rng: canvas.finished(image))
    row = {"objects": [{"name": name, "colour": None, "place": "middle"}], "background": "wall", "seed": 9}
    image, (mask,) = scenes.draw_with_masks(row)
    monkeypatch.setattr(scenes, "place", lambda *args: None)
    changed = np.abs(np.asarray(image, np.int16) - np.asarray(scenes.draw(row), np.int16)).max(axis=2)
    assert (changed[mask > 0] > 8).mean() > 0.9
    assert (changed[mask == 0] > 100).mean() < 0.01


def test_masks_lie_where_the_place_is() -> None:
    centres: dict[str, list[float]] = {"left": [], "middle": [], "right": []}
    for row in ROWS.to_dicts():
        for thing, mask in zip(row["objects"], scenes.draw_with_masks(row)[1], strict=True):
            centres[thing["place"]].append(np.nonzero(mask)[1].mean() / canvas.SIZE)
    for place, low, high in (("left", 0, 0.4), ("middle", 0.3, 0.7), ("right", 0.6, 1)):
        assert low < min(centres[place]) <= max(centres[place]) < high


def test_captions_say_everything_and_where() -> None:
    table = pl.DataFrame(
        {
            "objects": [
                [{"name": "ball", "colour": "red", "place": "left"}],
                [
                    {"name": "envelope", "colour": None, "place": "left"},
                    {"name": "cup", "colour": "blue", "place": "right"},
                ],
                [
                    {"name": "hourglass", "colour": None, "place": "left"},
                    {"name": "balloon", "colour": "orange", "place": "middle"},
                    {"name": "tree", "colour": None, "place": "right"},
                ],
            ],
            "background": [None, "park", "street"],
        }
    )
    assert scenes.caption(table).to_list() == [
        "A red ball on the left",
        "An envelope on the left and a blue cup on the right, in a park",
        "An hourglass on the left, an orange balloon in the middle and a tree on the right, in a street at night",
    ]


def test_objects_and_scenes_are_said_in_few_words() -> None:
    said = pl.concat([objects.traits(4000, 1)["prompt"], scenes.traits(4000, 1)["prompt"]])
    assert len({word for prompt in said for word in re.findall(r"[a-z]+", prompt.lower())}) < 120


def test_an_empty_table_of_scenes_is_a_table() -> None:
    assert scenes.traits(0, 1).columns == ROWS.columns
