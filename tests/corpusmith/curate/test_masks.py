"""Masks: the pixels that pycocotools gives, whatever the polygon, and a ValueError for what is none."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from corpusmith.curate import masks

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
BITS = SIZES.flatmap(lambda size: st.binary(min_size=size[0] * size[1], max_size=size[0] * size[1]).map(shaped(size)))
PLACES = st.one_of(st.integers(-20, 60), st.integers(-80, 240).map(lambda n: n / 4), st.floats(-5e3, 5e3))
POLYGONS = st.lists(st.lists(PLACES, min_size=6, max_size=20).map(lambda flat: flat[: len(flat) // 2 * 2]), min_size=1)
SQUARE = [2, 1, 6, 1, 6, 4, 2, 4]


def shaped(size):
    return lambda data: np.frombuffer(data, np.uint8).reshape(size) % 2 == 1


def runs_of(mask):
    """The runs of a mask, found one pixel after the other."""
    runs, inside = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != inside:
            runs.append(0)
            inside = pixel
        runs[-1] += 1
    return runs


def drawn(*lines):
    return np.array([[character == "#" for character in line] for line in lines])


def bomb(width, height):
    """A PNG whose header promises so many grey pixels and that holds none."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0"))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def encoded(mode):
    file = io.BytesIO()
    Image.new(mode, (8, 8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def coco():
    return pytest.importorskip("pycocotools.mask", reason="pycocotools, the oracle, is not installed")


@given(mask=BITS)
def test_a_mask_comes_back_from_its_png(mask):
    assert (masks.opened(masks.png(mask)) == mask * 255).all()


def test_a_label_map_comes_back_from_its_png():
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert (masks.opened(masks.png(labels)) == labels).all()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected a PNG, found 0 bytes"),
        (b"hello", "expected a PNG"),
        (encoded("RGB"), "mode L.*found mode RGB"),
        (encoded("P"), "found mode P"),
        (encoded("I;16"), "found mode I;16"),
        (bomb(8193, 8192), "67,108,864 pixels"),
        (bomb(60_000, 60_000), "67,108,864 pixels"),
        (bomb(8, 8), "ends early or is damaged"),
        (masks.png(np.eye(64, dtype=bool))[:-40], "ends early or is damaged"),
    ],
)
def test_other_bytes_are_no_mask(data, said):
    with pytest.raises(ValueError, match=said):
        masks.opened(data)


def test_a_polygon_is_filled():
    assert (masks.from_polygons([SQUARE], 5, 8) == drawn("........", *["..####.."] * 3, "........")).all()


def test_several_polygons_make_one_mask():
    both = masks.from_polygons([SQUARE, [0, 0, 4, 0, 4, 4, 0, 4]], 5, 8)
    assert (both == drawn("####....", *["######.."] * 3, "........")).all()


def test_what_lies_outside_the_image_is_cut_off():
    assert (
        masks.from_polygons([[-1e6, 2, 1e6, 2, 1e6, 1e6, -1e6, 1e6]], 4, 3) == drawn("...", "...", "###", "###")
    ).all()
    assert not masks.from_polygons([[-9, -9, -2, -9, -2, -2]], 4, 3).any()


@given(polygons=POLYGONS, size=SIZES)
def test_polygons_have_the_pixels_of_pycocotools(coco, polygons, size):
    theirs = coco.decode(coco.merge(coco.frPyObjects(polygons, *size)))
    assert (masks.from_polygons(polygons, *size) == theirs).all()


@given(polygon=st.lists(st.one_of(st.floats(), st.integers(), st.none(), st.text(), st.lists(st.floats()))))
def test_whatever_a_polygon_holds_it_is_a_mask_or_a_value_error(polygon):
    try:
        assert masks.from_polygons([polygon], 5, 7).shape == (5, 7)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("polygons", "said"),
    [
        ([], "at least one polygon"),
        ([SQUARE, [0, 0, 1, 1, 2]], "three corners, found 5 numbers"),
        ([[0, 0, 1, 1, 2, 2, 3]], "found 7 numbers"),
        ([[0, 0, 9, 9]], "three corners, found 4 numbers"),
        ([[]], "three corners, found 0 numbers"),
        ([[0, 0, 9, float("nan"), 9, 9]], "found nan"),
        ([[0, 0, 9, float("inf"), 9, 9]], "found inf"),
        ([[0, 0, 9, 1e300, 9, 9]], "found 1e\\+300"),
        ([[0, 0, 9, "1", 9, 9]], "list of numbers"),
        ([[0, 0, 9, None, 9, 9]], "list of numbers"),
        ([[0, 0, 9, 10**30, 9, 9]], "list of numbers"),
        ([[[0, 0], [9, 0], [9, 9]]], "list of numbers"),
        ([[[0, 0], [9]]], "list of numbers"),
        ([0, 0, 9, 0, 9, 9], "list of numbers"),
    ],
)
def test_a_broken_polygon_says_what_is_wrong(polygons, said):
    with pytest.raises(ValueError, match=said):
        masks.from_polygons(polygons, 5, 8)


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (1 << 14, 1 << 13)])
def test_a_mask_of_no_or_too_many_pixels_is_not_made(size):
    with pytest.raises(ValueError, match="expected a mask of 1 to 67,108,864 pixels"):
        masks.from_polygons([SQUARE], *size)


@given(mask=BITS)
def test_a_mask_comes_back_from_its_runs(mask):
    assert (masks.from_rle(runs_of(mask), *mask.shape) == mask).all()


@given(mask=BITS)
def test_a_mask_comes_back_from_the_compressed_runs_of_pycocotools(coco, mask):
    data = coco.encode(np.asfortranarray(mask, np.uint8))["counts"]
    assert (masks.from_rle(data, *mask.shape) == mask).all()
    assert (masks.from_rle(data.decode(), *mask.shape) == mask).all()


def test_compressed_runs_of_several_characters_are_read():
    expected = np.zeros((40, 50), bool)
    expected[5:30, 10:12] = expected[7, 30:] = True
    found = masks.from_rle("e<i0?0bf0XOVZO0000000000000000000000000000000000000I", 40, 50)  # by pycocotools 2.0.11
    assert (found == expected).all()


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([3, 4], "2 × 4 = 8 pixels in all, found 7"),
        ([3, 6], "found 9"),
        ([], "list of whole numbers"),
        ([-1, 9], "found -1 to 9"),
        ([1 << 70, 1], "list of whole numbers"),
        ([1 << 62, 1 << 62], "expected runs of 0 to 8 pixels"),
        ([4.0, 4.0], "list of whole numbers"),
        (["4", "4"], "list of whole numbers"),
        ([[4], [4]], "list of whole numbers"),
        ("7", "found 7"),
        ("4T", "end in the middle of a number"),
        ("", "end in the middle of a number"),
        (b"4 4", "characters 0 to o"),
        ("4é4", "characters 0 to o"),
        ("4\ud8004", "characters 0 to o"),
        ("PPPPPPPPPPPPPP1", "characters a run, found 15"),
        ("O9", "found -1 to 9"),
    ],
)
def test_broken_runs_say_what_is_wrong(counts, said):
    with pytest.raises(ValueError, match=said):
        masks.from_rle(counts, 2, 4)


@given(counts=st.one_of(st.binary(max_size=20), st.text(max_size=20)))
def test_whatever_compressed_runs_hold_they_are_a_mask_or_a_value_error(counts):
    try:
        assert masks.from_rle(counts, 5, 7).shape == (5, 7)
    except ValueError:
        return


def test_later_masks_lie_over_earlier_ones():
    found = masks.composed([drawn("##.."), drawn(".##.")], [7, 255])
    assert (found.tolist(), found.dtype) == ([[7, 255, 255, 0]], np.uint8)


@pytest.mark.parametrize(
    ("shapes", "labels", "said"),
    [
        ([], [], "masks of one shape"),
        ([(2, 2), (2, 1)], [1, 2], "masks of one shape"),
        ([(2, 2)], [0], "labels from 1 to 255"),
        ([(2, 2)], [256], "labels from 1 to 255"),
        ([(2, 2)], [1, 2], "shorter|longer"),
    ],
)
def test_masks_that_make_no_label_map_say_why(shapes, labels, said):
    with pytest.raises(ValueError, match=said):
        masks.composed([np.ones(shape, bool) for shape in shapes], labels)


@given(mask=BITS)
def test_a_box_holds_the_whole_mask_and_touches_it_on_every_side(mask):
    found = masks.box(mask)
    if found is None:
        assert not mask.any()
    else:
        left, top, right, bottom = found
        inside = mask[top:bottom, left:right]
        assert inside.sum() == mask.sum()
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()  # noqa: PT018


def test_a_free_place_is_farthest_from_all_that_is_taken():
    taken = np.zeros((20, 40), bool)
    taken[:, :20] = True
    assert masks.free_place(taken, 5) == (9, 29, 10)


def test_a_free_place_keeps_its_distance_from_the_edge():
    assert masks.free_place(np.zeros((9, 9), bool), 5) == (4, 4, 5)
    assert masks.free_place(np.zeros((9, 9), bool), 5.1) is None


@pytest.mark.parametrize("radius", [-1, 0, 1])
def test_where_all_is_taken_there_is_no_free_place(radius):
    assert masks.free_place(np.ones((4, 4), bool), radius) is None


def test_a_single_free_pixel_is_a_place():
    assert masks.free_place(~np.eye(1, 4, 2, dtype=bool), 1) == (0, 2, 1)


def test_a_widened_mask_has_all_that_is_so_near():
    assert (masks.widened(drawn(".....", "..#..", "....."), 1) == drawn("..#..", ".###.", "..#..")).all()


@pytest.mark.parametrize("mask", [drawn("....."), drawn(".#...")])
def test_widening_by_nothing_or_an_empty_mask_changes_nothing(mask):
    assert (masks.widened(mask, 0 if mask.any() else 3) == mask).all()


def test_a_resized_mask_has_the_pixels_that_are_at_least_half_covered():
    assert (masks.resized(drawn("##..#.", "##....", "......", "......"), (3, 2)) == drawn("#..", "...")).all()
    assert (masks.resized(drawn("#."), (4, 2)) == drawn("##..", "##..")).all()
