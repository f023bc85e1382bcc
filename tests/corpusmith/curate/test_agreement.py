"""What several tests agree on, and how near images are to the real ones of their class."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.curate import agreement

VALUES = st.lists(st.one_of(st.none(), st.floats(-1, 1)), min_size=20, max_size=60)


@given(VALUES, st.floats(0, 1))
def test_a_threshold_removes_the_share_that_was_asked_for_of_right_images(values, removed):
    known = [value for value in values if value is not None]
    found = agreement.thresholds(pl.DataFrame({"a": pl.Series(values, dtype=pl.Float32)}), ["a"], removed)
    assert set(found) == ({"a"} if len(known) >= agreement.FEWEST else set())
    if found:
        below = np.mean(np.float32(known) < found["a"])
        assert below <= removed + 1e-9
        assert np.mean(np.float32(known) <= found["a"]) >= removed - 1 / len(known)


def test_a_test_with_too_few_right_images_is_not_applied():
    some = [0.5] * (agreement.FEWEST - 1)
    right = pl.DataFrame({"many": [*some, 0.1], "few": [*some, None], "nan": [*some, float("nan")]})
    assert set(agreement.thresholds(right, ["many", "few", "nan"], 0.0)) == {"many"}


@given(
    st.lists(st.tuples(*[st.one_of(st.none(), st.just(float("nan")), st.floats(0, 1))] * 4), min_size=1, max_size=15),
    st.integers(1, 4),
)
def test_an_image_is_out_of_its_class_where_too_few_of_the_tests_it_has_pass(rows, agree):
    bounds = {"a": 0.2, "b": 0.5, "c": 0.5, "d": 0.9}
    measured = pl.DataFrame(rows, schema=dict.fromkeys(bounds, pl.Float64), orient="row")
    found = agreement.agreed(measured, bounds, agree)
    assert found.columns == ["tests_applied", "tests_passed", "out_of_class"]
    for row, said in zip(rows, found.to_dicts(), strict=True):
        known = {t: v for t, v in zip(bounds, row, strict=True) if v is not None and v == v}
        passed = sum(value >= bounds[test] for test, value in known.items())
        assert (said["tests_applied"], said["tests_passed"]) == (len(known), passed)
        assert said["out_of_class"] == (passed < agree if len(known) >= agree else None)


def test_without_any_test_nothing_is_rejected():
    found = agreement.agreed(pl.DataFrame({"key": ["x", "y"]}), {}, 2)
    assert found["out_of_class"].to_list() == [None, None]
    assert found["tests_applied"].to_list() == [0, 0]


def plainly(vector, others):
    mean = np.mean([other / np.linalg.norm(other) for other in others], axis=0)
    return vector @ mean / np.linalg.norm(vector) / np.linalg.norm(mean)


def test_similarity_is_the_cosine_to_the_mean_direction_of_the_class():
    random = np.random.default_rng(0)
    real, made = random.normal(size=(7, 5)) + 1, random.normal(size=(3, 5)) + 1
    kinds = pl.Series(["b", "a", "a", "b", "a", "c", "b"])
    found = agreement.prototype_similarity(made, pl.Series(["a", "b", "d"]), real, kinds, leave_one_out=False)
    of = {kind: real[(kinds == kind).to_numpy()] for kind in "ab"}
    assert found[0] == pytest.approx(plainly(made[0], of["a"]))
    assert found[1] == pytest.approx(plainly(made[1], of["b"]))
    assert found[2] is None


def test_a_real_image_is_compared_with_the_others_of_its_class():
    real = np.random.default_rng(1).normal(size=(5, 4)) + 1
    kinds = pl.Series(["a", "a", "a", "b", "c"])
    found = agreement.prototype_similarity(real, kinds, real, kinds, leave_one_out=True)
    for row in range(3):
        assert found[row] == pytest.approx(plainly(real[row], np.delete(real[:3], row, axis=0)))
    assert found[3] is None
    assert found[4] is None


def test_an_embedding_that_is_missing_counts_for_none():
    real = np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 0.0]])
    kinds = pl.Series(["a", "a", "b"])
    found = agreement.prototype_similarity(real, kinds, real, kinds, leave_one_out=False)
    assert found.to_list() == [pytest.approx(1), None, None]
    assert agreement.prototypes(real, kinds).places == {"a": 0}


def test_without_real_images_there_is_no_similarity():
    nothing = np.zeros((0, 3)), pl.Series([], dtype=pl.String)
    found = agreement.prototype_similarity(np.ones((2, 3)), pl.Series(["a", "b"]), *nothing, leave_one_out=False)
    assert found.to_list() == [None, None]
