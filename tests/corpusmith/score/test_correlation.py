import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from corpusmith.score import correlation

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), min_size=3, max_size=40)
REFERENCES = [(correlation.pearson, stats.pearsonr), (correlation.spearman, stats.spearmanr)]


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
@pytest.mark.parametrize(("measure", "reference"), REFERENCES)
@given(PAIRS)
def test_coefficients_are_those_of_scipy_ties_included(measure, reference, pairs):
    x, y = np.array(pairs, dtype=float).T / 10
    expected = reference(x, y).statistic
    assert correlation.whole(measure, x, y) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("measure", "reference"), REFERENCES)
def test_a_weighted_resample_is_the_resample_written_out(measure, reference, monkeypatch):
    monkeypatch.setattr(correlation, "CHUNK_CELLS", 100)
    random = np.random.default_rng(0)
    clusters = random.integers(0, 12, 60)
    x = random.integers(1, 4, 60).astype(float)
    y = x + random.normal(size=60).round(1)
    weights = random.multinomial(12, np.full(12, 1 / 12), size=7).astype(float)
    rows = [np.repeat(np.arange(60), counts[clusters].astype(int)) for counts in weights]
    expected = [reference(x[row], y[row]).statistic for row in rows]
    assert measure(x, y, clusters, weights) == pytest.approx(expected)


@pytest.mark.parametrize("measure", [correlation.pearson, correlation.spearman])
def test_what_does_not_vary_or_is_not_there_correlates_with_nothing(measure):
    assert np.isnan(correlation.whole(measure, np.full(9, 0.1), np.arange(9.0)))
    assert np.isnan(correlation.whole(measure, np.empty(0), np.empty(0)))
    assert correlation.whole(measure, np.arange(9.0), 1 - np.arange(9.0)) == -1
