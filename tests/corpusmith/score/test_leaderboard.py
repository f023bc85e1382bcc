import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from corpusmith.score import leaderboard
from corpusmith.score.scores import SCORES, Measurement, table

MATRICES = st.integers(2, 4).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=2, max_size=12)
)


def long(matrix, strata=2):
    """Values (items, subjects) as a table of VALUES; NaN is null."""
    matrix = np.asarray(matrix, dtype=float)
    items, subjects = np.indices(matrix.shape).reshape(2, -1)
    return pl.DataFrame(
        {
            "subject": [f"s{i}" for i in subjects],
            "item": [f"i{i:03d}" for i in items],
            "stratum": [f"t{i % strata}" for i in items],
            "value": matrix.ravel(),
        },
        nan_to_null=True,
    )


def test_signs_flipped_at_random_agree_with_mcnemars_exact_test():
    random = np.random.default_rng(0)
    first, second, third = random.random((3, 80)) < np.array([[0.8], [0.6], [0.75]])
    differences = np.stack([first.astype(float) - second, first.astype(float) - third], axis=1)
    for p, other in zip(leaderboard.sign_flips(differences, "key"), (second, third), strict=True):
        expected = stats.binomtest(int((first & ~other).sum()), int((first != other).sum())).pvalue
        assert p == pytest.approx(expected, abs=0.01)


def test_signs_flipped_at_random_agree_with_scipys_permutation_test():
    differences = np.random.default_rng(1).normal(0.5, 1, 12)
    exact = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert leaderboard.sign_flips(differences[:, None], "key")[0] == pytest.approx(exact.pvalue, abs=0.01)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30))
def test_holms_correction_is_its_definition(p):
    ordered = sorted(p)
    corrected = [min(1.0, max((len(p) - j) * ordered[j] for j in range(i + 1))) for i in range(len(p))]
    assert sorted(leaderboard.holm(np.array(p))) == pytest.approx(corrected)
    assert (leaderboard.holm(np.array(p)) >= np.array(p)).all()


def test_equals_are_rarely_told_apart():
    """The chance of any false difference among five equals is at most the level (0.05; three standard errors more)."""
    random = np.random.default_rng(2)
    left, right = np.triu_indices(5, k=1)
    trials, wrong = 300, 0
    for trial in range(trials):
        values = (random.random((60, 5)) < 0.8).astype(float)
        p = leaderboard.sign_flips(values[:, left] - values[:, right], f"trial {trial}", flips=1000)
        wrong += (leaderboard.holm(p) <= leaderboard.ALPHA).any()
    assert wrong / trials <= 0.088


def test_the_same_values_are_never_told_apart():
    column = np.random.default_rng(3).random(50)
    board = leaderboard.leaderboard(long(np.stack([column, column, column], axis=1)), "key", 100)
    assert board.pairs["p"].to_list() == [1, 1, 1]
    assert board.standings["rank"].to_list() == [1, 1, 1]
    assert board.standings["last_rank"].to_list() == [3, 3, 3]


def test_ranks_are_shared_where_nothing_is_shown_and_kept_apart_where_it_is():
    random = np.random.default_rng(4)
    board = leaderboard.leaderboard(long(random.random((200, 4)) < [0.95, 0.94, 0.5, 0.2]), "key", 200)
    assert sorted(board.standings["subject"][:2]) == ["s0", "s1"]
    assert board.standings["rank"].to_list() == [1, 1, 3, 4]
    assert board.standings["last_rank"].to_list() == [2, 2, 3, 4]


@settings(deadline=None, max_examples=25)
@given(MATRICES, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(matrix, random):
    values = long(np.array(matrix) / 3)
    order = list(range(len(values)))
    random.shuffle(order)
    found, again = (leaderboard.leaderboard(each, "key", 50) for each in (values, values[order]))
    assert found.standings.equals(again.standings)
    assert found.pairs.equals(again.pairs)


@settings(deadline=None, max_examples=25)
@given(MATRICES)
def test_intervals_hold_their_estimate_and_the_worse_stands_below(matrix):
    matrix = np.array(matrix)
    board = leaderboard.leaderboard(long(np.column_stack([matrix, matrix[:, 0] - 1])), "key", 200)
    rounding = 1e-9
    for found, value in ((board.standings, "value"), (board.pairs, "difference")):
        assert (found["low"] <= found[value] + rounding).all()
        assert (found[value] <= found["high"] + rounding).all()
    place = {subject: n for n, subject in enumerate(board.standings["subject"])}
    assert place[f"s{matrix.shape[1]}"] > place["s0"]
    assert (board.pairs["difference"] >= 0).all()
    assert (board.standings["rank"] <= board.standings["last_rank"]).all()


def test_pairs_are_compared_on_what_both_have():
    matrix = np.array([[1, 0, np.nan], [1, 1, np.nan], [0, np.nan, 1], [1, np.nan, 0]], dtype=float)
    board = leaderboard.leaderboard(long(matrix), "key", 100)
    pairs = {(row["subject"], row["other"]): row for row in board.pairs.to_dicts()}
    assert pairs["s0", "s1"]["difference"] == 0.5
    assert pairs["s0", "s1"]["n"] == 2
    assert pairs["s0", "s2"]["difference"] == 0
    assert pairs["s1", "s2"]["difference"] is None
    assert pairs["s1", "s2"]["p"] == 1


def test_rows_of_one_item_go_together():
    """Ten copies of each row say nothing new: the interval stays as wide, where ten times the items would narrow it."""
    values = long((np.random.default_rng(5).random((40, 2)) < [0.8, 0.5]).astype(float))
    once = leaderboard.leaderboard(values, "key", 400)
    copied = leaderboard.leaderboard(pl.concat([values] * 10), "key", 400)
    assert copied.standings.drop("n").equals(once.standings.drop("n"))
    assert copied.standings["n"].to_list() == [400, 400]
    assert copied.pairs["p"].to_list() == once.pairs["p"].to_list()


def test_the_board_is_rows_of_the_one_table():
    board = leaderboard.leaderboard(long(np.eye(6)[:, :3]), "key", 50)
    measured = {f"s{i}": Measurement("generator", f"s{i}", f"model {i}", "abc", {}, "corpus") for i in range(3)}
    found = table(leaderboard.rows(board, measured))
    assert found.schema == SCORES
    assert found["metric"].value_counts(sort=True)["count"].to_list() == [3, 3, 3, 3]
    assert found.filter(pl.col("other").is_not_null())["metric"].unique().sort().to_list() == ["difference", "p_value"]


def test_one_subject_alone_has_a_place_and_no_rival():
    board = leaderboard.leaderboard(long([[1], [0], [1]]), "key", 50)
    assert board.standings.select("rank", "last_rank").row(0) == (1, 1)
    assert board.pairs.is_empty()
