"""A nuisance is none at severity 0, grows with severity, and costs a reader of classes more and more."""

from __future__ import annotations

import numpy as np
import pytest

from corpusmith.drawings import nuisances, objects

ROWS = objects.traits(20, 4).to_dicts()

nuisance = pytest.mark.parametrize("name", nuisances.NUISANCES)


def changed(name: str, severity: int) -> np.ndarray:
    """Mean difference to the bare drawing, in grey levels, of each row."""
    return np.array(
        [
            np.abs(
                np.asarray(nuisances.drawn(row, name, severity), np.int16) - np.asarray(objects.draw(row), np.int16)
            ).mean()
            for row in ROWS
        ]
    )


@nuisance
def test_severity_0_is_the_drawing_itself(name):
    assert all(nuisances.drawn(row, name, 0).tobytes() == objects.draw(row).tobytes() for row in ROWS)


@nuisance
def test_the_same_row_is_the_same_image_of_the_same_size(name):
    for severity in nuisances.SEVERITIES:
        image = nuisances.drawn(ROWS[0], name, severity)
        assert image.tobytes() == nuisances.drawn(ROWS[0], name, severity).tobytes()
        assert (image.size, image.mode) == (objects.draw(ROWS[0]).size, "RGB")


@nuisance
def test_each_severity_takes_an_image_further_from_the_drawing(name):
    by_severity = [changed(name, severity) for severity in (0, *nuisances.SEVERITIES)]
    assert (np.diff([differences.mean() for differences in by_severity]) > 0).all()
    assert (by_severity[5] > by_severity[1]).all()


@nuisance
def test_rows_differ_in_how_they_are_disturbed(name):
    grey = objects.draw(ROWS[0])
    looks = {nuisances.under(grey, name, 3, seed).tobytes() for seed in range(8)}
    assert (len(looks) > 1) == (name != "blur")


def test_where_nothing_was_put_no_pixel_has_changed():
    for name in ("occlusion", "clutter"):
        bare, seen = (np.asarray(nuisances.drawn(ROWS[0], name, severity)) for severity in (0, 1))
        assert 0.3 < (bare == seen).all(axis=2).mean() < 1


@pytest.fixture(scope="module")
def judge():
    from corpusmith.models.perceivers import Tagger

    return Tagger("house/object")


@nuisance
def test_a_strong_nuisance_costs_the_judge_of_objects_much_and_a_weak_one_little(name, judge):
    labels = [judge.config.id2label[place] for place in range(judge.config.num_labels)]
    places = [labels.index(name) for name in objects.classes()]
    rows = objects.traits(100, 77).to_dicts()

    def accuracy(severity: int) -> float:
        sure = judge.probabilities([nuisances.drawn(row, name, severity) for row in rows])[:, places]
        seen = [objects.classes()[place] for place in sure.argmax(axis=1)]
        return float(np.mean([one == row["name"] for one, row in zip(seen, rows, strict=True)]))

    assert accuracy(1) > 0.88
    assert accuracy(5) < 0.6
