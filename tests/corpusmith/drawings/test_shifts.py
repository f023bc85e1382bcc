import numpy as np
import pytest

from corpusmith.drawings import objects, shifts

DRAWINGS = [objects.draw(row) for row in objects.traits(10, 4).to_dicts()]

shift = pytest.mark.parametrize("name", shifts.SHIFTS)


@shift
def test_a_shift_keeps_size_and_mode(name: str) -> None:
    shifted = shifts.SHIFTS[name](DRAWINGS[0], 1)
    assert (shifted.size, shifted.mode) == (DRAWINGS[0].size, "RGB")


@shift
def test_the_same_seed_shifts_alike_and_another_does_not(name: str) -> None:
    look = shifts.SHIFTS[name]
    for seed, drawing in enumerate(DRAWINGS):
        assert look(drawing, seed).tobytes() == look(drawing, seed).tobytes()
        assert look(drawing, seed).tobytes() != look(drawing, seed + 1000).tobytes()


@shift
def test_a_shift_leaves_the_drawing_itself_alone(name: str) -> None:
    before = DRAWINGS[1].tobytes()
    shifts.SHIFTS[name](DRAWINGS[1], 1)
    assert DRAWINGS[1].tobytes() == before


@shift
def test_a_shift_changes_most_pixels(name: str) -> None:
    changed = [
        np.abs(np.asarray(shifts.SHIFTS[name](drawing, seed), np.int16) - np.asarray(drawing, np.int16)).max(axis=2)
        for seed, drawing in enumerate(DRAWINGS)
    ]
    assert np.mean(np.stack(changed) > 8) > 0.6


def test_a_sketch_is_grey_and_mostly_paper() -> None:
    for seed, drawing in enumerate(DRAWINGS):
        sketch = np.asarray(shifts.sketch(drawing, seed))
        assert (sketch == sketch[:, :, :1]).all()
        assert 0.01 < (sketch[:, :, 0] < 180).mean() < 0.7


def test_renditions_come_in_several_arts() -> None:
    drawing = DRAWINGS[0]
    colours = [len(np.unique(np.asarray(shifts.rendition(drawing, seed)).reshape(-1, 3), axis=0)) for seed in range(20)]
    assert max(colours) > 3 * min(colours)
