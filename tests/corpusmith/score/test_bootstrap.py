import numpy as np
import pytest

from corpusmith.score import bootstrap, metrics


def test_a_95_percent_interval_holds_the_truth_about_95_times_in_100():
    random = np.random.default_rng(0)
    trials, hits = 300, 0
    for trial in range(trials):
        correct = (random.random(120) < 0.7).astype(float)
        low, high = bootstrap.mean_interval(correct, f"trial {trial}", draws=400)
        hits += low <= 0.7 <= high
    assert 0.90 <= hits / trials <= 0.985


def test_drawing_cells_and_drawing_rows_give_the_same_interval():
    truth = np.repeat(np.arange(7), 40)
    predicted = np.where(np.random.default_rng(1).random(280) < 0.6, truth, (truth + 1) % 7)
    matrix = metrics.confusion(truth, predicted, 7)
    by_cells = bootstrap.percentiles(metrics.accuracy(bootstrap.resampled(matrix, "cells", draws=8000)))
    by_rows = bootstrap.mean_interval((truth == predicted).astype(float), "rows", draws=8000)
    assert by_cells == pytest.approx(by_rows, abs=0.01)


def test_every_resample_has_as_many_rows_as_the_original():
    resamples = bootstrap.resampled(np.array([[3, 0, 1], [2, 5, 0]]), "any", draws=50)
    assert resamples.shape == (50, 2, 3)
    assert (resamples.sum(axis=(1, 2)) == 11).all()
    assert (resamples[:, 0, 1] == 0).all()


def test_the_key_alone_decides_an_interval():
    values = np.random.default_rng(2).random(50)
    assert bootstrap.mean_interval(values, "a") == bootstrap.mean_interval(values, "a")
    assert bootstrap.mean_interval(values, "a") != bootstrap.mean_interval(values, "b")


def test_resamples_in_chunks_are_all_drawn(monkeypatch):
    seen = []
    monkeypatch.setattr(bootstrap, "CHUNK_CELLS", 30)

    def count(rows):
        seen.append(rows.shape)
        return rows.mean(axis=1)

    bootstrap.interval(10, count, "chunks", draws=8)
    assert seen == [(3, 10), (3, 10), (2, 10)]


def test_no_rows_is_an_error_not_an_interval():
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap.interval(0, lambda rows: rows.mean(axis=1), "none")
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap.resampled(np.zeros((7, 8), dtype=np.int64), "none")


def test_items_are_resampled_within_their_stratum():
    strata = np.array([2, 0, 0, 2, 2, 1])
    counts = bootstrap.weights(strata, "strata", draws=400)
    assert counts.shape == (400, 6)
    for stratum, size in ((0, 2), (1, 1), (2, 3)):
        assert (counts[:, strata == stratum].sum(axis=1) == size).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.15)
    assert (counts == bootstrap.weights(strata, "strata", draws=400)).all()
    with pytest.raises(ValueError, match="at least one item"):
        bootstrap.weights(strata[:0], "none")
