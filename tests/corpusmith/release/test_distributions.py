"""What is called a shift is more than noise, how large it is stands beside, and no image is looked at."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from corpusmith.release.columns import IMAGE
from corpusmith.release.distributions import EXPECTED, _merged, chi_squared, compare, kolmogorov_smirnov

COUNTS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=40).map(
    lambda rows: np.array(rows, dtype=np.int64).reshape(-1, 2)
)


def drawn(seed: int, rows: int = 2_000, joy: float = 0.5, mean: float = 0.0) -> pl.LazyFrame:
    random = np.random.default_rng(seed)
    return pl.LazyFrame(
        {
            "key": [f"{seed}-{n}" for n in range(rows)],
            "emotion": np.where(random.random(rows) < joy, "joy", "anger"),
            "score": random.normal(mean, 1, rows),
            "text": [f"{n} words {n * seed}" for n in range(rows)],
            "reasons": [["short"] if n % 2 else ["short", "odd"] for n in range(rows)],
            "always": ["one"] * rows,
        }
    )


def of(old: pl.LazyFrame, new: pl.LazyFrame, column: str) -> dict[str, object]:
    return compare({"data": old}, {"data": new}).columns.row(by_predicate=pl.col("column") == column, named=True)


def test_a_table_does_not_differ_from_itself() -> None:
    found = compare({"data": drawn(1)}, {"data": drawn(1)})
    assert found.columns["effect"].to_list() == [0.0] * found.columns.height
    assert not found.columns["shifted"].any()
    assert found.categories.filter(pl.col("delta") != 0).is_empty()


def test_two_draws_of_one_distribution_are_no_shift() -> None:
    errs = [compare({"data": drawn(2 * n)}, {"data": drawn(2 * n + 1)}).columns["shifted"].any() for n in range(1, 21)]
    assert sum(errs) <= 4, "one in twenty is expected to err, at the level of the whole family"


def test_a_shift_of_words_and_one_of_numbers_are_found_with_their_size() -> None:
    emotion = of(drawn(1), drawn(2, joy=0.7), "emotion")
    assert emotion["shifted"]
    assert 0.15 < emotion["effect"] < 0.25, "V of 0.5 against 0.7 is 0.204"
    score = of(drawn(1), drawn(2, mean=0.5), "score")
    assert score["shifted"]
    assert 0.14 < score["effect"] < 0.26, "the distance of two normals half a deviation apart is 0.197"


def test_what_is_compared_follows_from_the_type() -> None:
    found = compare({"data": drawn(1)}, {"data": drawn(2)})
    assert dict(found.columns.select("column", "test").rows()) == {
        "emotion": "chi-squared",
        "reasons": "chi-squared",
        "score": "Kolmogorov–Smirnov",
        "text (characters)": "Kolmogorov–Smirnov",
    }
    reasons = found.categories.filter(pl.col("column") == "reasons")
    assert dict(reasons.select("value", "old").rows()) == {"short": 2_000, "odd": 1_000}


def test_a_null_is_a_word_and_less_than_any_number() -> None:
    holes = drawn(1).with_columns(pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("emotion", "score")))
    found = compare({"data": drawn(1)}, {"data": holes})
    assert found.columns.filter(pl.col("column").is_in(["emotion", "score"]))["shifted"].all()
    assert of(drawn(1), holes, "score")["effect"] == pytest.approx(0.5)
    assert found.categories.filter(pl.col("value").is_null())["new"].to_list() == [1_000]


def test_no_image_is_read() -> None:
    def read(_: pl.Series) -> pl.Series:
        raise AssertionError("an image was read")

    images = drawn(1).with_columns(image=pl.col("key").map_batches(read, return_dtype=IMAGE))
    assert "image" not in compare({"data": images}, {"data": images}).columns["column"]


@given(COUNTS)
def test_every_cell_of_the_test_is_expected_to_hold_some_rows(counts: np.ndarray) -> None:
    cells = _merged(counts)
    if len(cells) > 1:
        assert cells.sum() == counts.sum(), "nothing is left out"
        assert chi2_contingency(cells, correction=False).expected_freq.min() >= EXPECTED


@given(COUNTS)
def test_the_size_of_a_shift_is_from_0_to_1_and_the_same_both_ways(counts: np.ndarray) -> None:
    p, effect = chi_squared(counts)
    if p is not None and effect is not None:
        assert 0 <= p <= 1
        assert 0 <= effect <= 1 + 1e-12
        assert chi_squared(counts[:, ::-1]) == pytest.approx((p, effect))


def test_too_few_rows_to_tell_are_said_to_be() -> None:
    assert chi_squared(np.array([[2, 3], [1, 2]])) == (None, None)
    assert kolmogorov_smirnov(np.array([]), np.array([1.0])) == (None, None)
