import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from corpusmith.score import bootstrap, segmentation


@st.composite
def maps(draw):
    """Label maps of 1 to 130 px a side, in tiles of 1 to 60 px that hold some of the classes."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    height, width, tile = draw(st.integers(1, 130)), draw(st.integers(1, 130)), draw(st.integers(1, 60))
    present = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    tiles = random.choice(present, (2, height // tile + 1, width // tile + 1))
    true, found = np.kron(tiles, np.ones((1, tile, tile)))[:, :height, :width].astype(np.uint8)
    return true, np.where(random.random() < 0.5, found, np.roll(true, random.integers(0, 9), axis=random.integers(2)))


sets = st.lists(maps(), min_size=1, max_size=4).map(lambda pairs: tuple(zip(*pairs, strict=True)))


def band(mask):
    """As the paper's reference implementation has it."""
    reach = max(1, round(0.02 * np.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
    eroded = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3)), iterations=reach)
    return mask & ~eroded[1:-1, 1:-1]


def share(part, whole):
    return part / whole if whole else None


def mean(values):
    here = [value for value in values if value is not None]
    return share(sum(here), len(here))


def straightforward(truth, predicted, classes):
    """Each metric of each class of each image by itself: {(metric, label): value}."""
    scores = {}
    for label in range(classes):
        pairs = [(true == label, found == label) for true, found in zip(truth, predicted, strict=True)]
        bands = [(band(true), band(found)) for true, found in pairs]
        both, either = (sum(how(*pair).sum() for pair in pairs) for how in (np.logical_and, np.logical_or))
        near, around = (sum(how(*pair).sum() for pair in bands) for how in (np.logical_and, np.logical_or))
        scores["iou", label] = share(both, either)
        scores["boundary_iou", label] = share(near, around)
        scores["f1", label] = share(2 * both, sum(true.sum() + found.sum() for true, found in pairs))
    for name, of in {"miou": "iou", "boundary_miou": "boundary_iou", "macro_f1": "f1"}.items():
        scores[name, None] = mean([scores[of, label] for label in range(classes)])
    right = sum((true == found).sum() for true, found in zip(truth, predicted, strict=True))
    scores["pixel_accuracy", None] = right / sum(true.size for true in truth)
    return scores


def by_name(scores, column="value"):
    return {(metric, label): value for metric, label, value in scores.select("metric", "label", column).iter_rows()}


def some(images=6, side=40):
    random = np.random.default_rng(3)
    truth = np.kron(random.integers(0, 3, (images, side // 10, side // 10)), np.ones((1, 10, 10))).astype(np.uint8)
    return truth, np.where(random.random(truth.shape) < 0.8, truth, 3).astype(np.uint8)


@settings(deadline=None, max_examples=60)
@given(sets)
def test_scores_are_those_of_a_straightforward_count(pairs):
    scores = by_name(segmentation.metrics(segmentation.counts(*pairs, 5)))
    expected = straightforward(*pairs, 5)
    assert {name for name, value in scores.items() if value is None} == {n for n, v in expected.items() if v is None}
    present = {name: value for name, value in expected.items() if value is not None}
    assert {name: scores[name] for name in present} == pytest.approx(present, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(sets, st.integers(1, 20_000))
def test_images_are_counted_alike_alone_and_beside_others(pairs, at_once):
    truth, predicted = (side * 2 for side in pairs)
    alone = [segmentation.counts([true], [found], 5) for true, found in zip(truth, predicted, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentation, "CHUNK_CELLS", at_once)
        together = segmentation.counts(truth, predicted, 5)
    expected = segmentation.joined(alone)
    assert together.confusion.tolist() == expected.confusion.tolist()
    assert together.boundary.tolist() == expected.boundary.tolist()


def test_counts_are_integers_of_each_image():
    found = segmentation.counts(*some(), 4)
    assert found.confusion.shape == (6, 4, 4)
    assert found.boundary.shape == (6, 4, 2)
    assert found.confusion.dtype == found.boundary.dtype == np.int64
    assert (found.confusion.sum(axis=(1, 2)) == 1600).all()


def test_a_row_of_the_confusion_is_the_truth():
    found = segmentation.counts([np.array([[0, 0, 1]], np.uint8)], [np.array([[1, 0, 1]], np.uint8)], 2)
    assert found.confusion.tolist() == [[[1, 1], [0, 1]]]


@pytest.mark.parametrize(("size", "reach"), [((1, 1), 1), ((64, 64), 2), ((512, 512), 14), ((3, 1000), 20)])
def test_a_band_is_2_percent_of_the_diagonal_wide(size, reach):
    assert segmentation.radius(*size) == reach


def test_the_edge_of_the_image_is_a_boundary():
    marks = segmentation.bands(np.full((1, 5, 5), 7, np.uint8))[0]
    assert marks.sum() == 16
    assert not marks[1:-1, 1:-1].any()


def test_a_contour_that_is_off_costs_boundary_iou_more_than_iou():
    truth = np.zeros((200, 200), np.uint8)
    truth[20:180, 20:180] = 1
    scores = by_name(segmentation.metrics(segmentation.counts([truth], [np.roll(truth, 3, axis=1)], 2)))
    assert scores["iou", 1] > 0.95
    assert scores["boundary_iou", 1] < 0.8


def test_a_set_is_scored_by_its_sums_and_not_by_the_mean_of_its_images():
    truth = [np.zeros((1, 1), np.uint8), np.zeros((3, 3), np.uint8)]
    scores = by_name(segmentation.metrics(segmentation.counts(truth, [truth[0] + np.uint8(1), truth[1]], 2)))
    assert scores["iou", 0] == scores["pixel_accuracy", None] == pytest.approx(0.9)


def test_a_class_that_no_map_has_is_null_and_not_in_the_means():
    scores = by_name(segmentation.metrics(segmentation.counts(*2 * [[np.ones((4, 4), np.uint8)]], 3)))
    assert all(scores[name, label] is None for name in ("iou", "boundary_iou", "f1") for label in (0, 2))
    assert all(scores[name, None] == 1 for name in ("pixel_accuracy", "miou", "boundary_miou", "macro_f1"))


def test_every_label_of_a_byte_can_be_a_class():
    truth = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = segmentation.counts([truth], [truth], 256)
    assert (found.confusion[0] == np.eye(256)).all()
    assert (found.boundary == 1).all()


def test_maps_of_different_shapes_are_refused_by_the_number_of_their_image():
    right = np.zeros((4, 5), np.uint8)
    with pytest.raises(ValueError, match=r"image 1: the true map is \(4, 5\), the predicted one \(5, 4\)"):
        segmentation.counts([right, right], [right, right.T], 2)


def test_a_label_beyond_the_classes_is_refused_by_the_number_of_its_image():
    right, wrong = np.zeros((4, 5), np.uint8), np.full((4, 5), 2, np.uint8)
    with pytest.raises(ValueError, match="image 2: a label that is not below 2"):
        segmentation.counts([right, right.T, right], [right, right.T, wrong], 2)


def test_a_prediction_is_expected_of_each_image():
    with pytest.raises(ValueError, match="each of 2 images, found 1"):
        segmentation.counts(*[[np.zeros((2, 2), np.uint8)] * images for images in (2, 1)], 2)


def test_intervals_are_those_of_images_that_are_drawn_again():
    counted = segmentation.counts(*some(), 4)
    drawn = bootstrap.weights(np.zeros(6, dtype=np.int64), "images", draws=25).astype(int)
    resamples = [
        by_name(segmentation.metrics(segmentation.Counts(counted.confusion[rows], counted.boundary[rows])))
        for rows in (np.repeat(np.arange(6), times) for times in drawn)
    ]
    found = segmentation.intervals(counted, 25, "images")
    for name, low in by_name(found, "low").items():
        values = np.array([resample[name] for resample in resamples], dtype=float)
        assert (low, by_name(found, "high")[name]) == pytest.approx(bootstrap.percentiles(values))


def test_intervals_stand_beside_the_scores_with_the_number_of_images():
    counted = segmentation.counts(*some(), 4)
    found = segmentation.intervals(counted, 50, "any")
    assert found.drop("low", "high", "n").equals(segmentation.metrics(counted))
    assert found.schema == pl.Schema(
        {
            "metric": pl.String,
            "label": pl.Int64,
            "value": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
            "n": pl.Int64,
        }
    )
    assert found["n"].unique().to_list() == [6]


def test_the_interval_of_a_class_that_no_map_has_is_null():
    found = segmentation.intervals(segmentation.counts(*some(), 5), 50, "any").filter(pl.col("label") == 4)
    assert found.select("value", "low", "high").null_count().row(0) == (3, 3, 3)


def test_no_images_have_no_scores_and_no_interval():
    nothing = segmentation.counts([], [], 3)
    assert segmentation.metrics(nothing)["value"].null_count() == 4 + 3 * 3
    with pytest.raises(ValueError, match="at least one item"):
        segmentation.intervals(nothing, 10, "none")
