"""metrics.json: a corpus's headline figures, few enough to be read, the same names for every corpus."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from corpusmith.release.inputs import Board, CardText, Release
from corpusmith.release.metrics import headlines
from corpusmith.release.write import write_release
from corpusmith.score.scores import Measurement, table

MOST = 15


def numbers(said: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number with its name, as DVC shows them."""
    if isinstance(said, dict):
        for key, value in said.items():
            yield from numbers(value, f"{name}.{key}".lstrip("."))
    else:
        yield name, said


def scored(task: str, subject: str, metric: str, value: float | None, **where: Any) -> dict[str, Any]:
    return Measurement(task, subject, "m", "1", {}, "c").row | {"metric": metric, "value": value, "n": 9, **where}


def with_boards_of(text: CardText, *trivial: str) -> Release:
    """Few and simple rows with the leaderboards of another corpus, scored as its full size is.

    trivial: the tasks that it scores the majority class in.
    """
    import corpora

    rows = []
    for board in text.boards:
        subjects = ["majority class"] * (board.task in trivial) + ["one", "two", "three"]
        for subject, metric in product(subjects, board.metrics):
            rows += [scored(board.task, subject, metric, 0.5, form=form) for form in (None, "blur", "jpeg")]
            rows += [scored(board.task, subject, metric, 0.9, label=label) for label in ("a", "b")]
            rows += [scored(board.task, subject, metric, 0.9, other="three")]
    release = corpora.reddit(4)
    return replace(release, text=replace(release.text, boards=text.boards), scores=table(rows))


def reddit() -> Release:
    import corpora

    return corpora.reddit(4)


def portraits() -> Release:
    import portraits_corpus

    return portraits_corpus.portraits(5)


def edits() -> Release:
    from corpusmith.assets.edits.card import CARD

    return with_boards_of(CARD, "localisation", "attribution", "whole image")


def imagenet() -> Release:
    from corpusmith.assets.imagenet.card import CARD

    return with_boards_of(CARD)


@pytest.mark.parametrize("of", [reddit, portraits, edits, imagenet])
def test_the_metrics_of_every_corpus_can_be_read_at_a_glance(of: Any, tmp_path: Path) -> None:
    release = of()
    write_release(release, tmp_path / "release")
    said = json.loads((tmp_path / "release" / "metrics.json").read_text())
    manifest = json.loads((tmp_path / "release" / "manifest.json").read_text())
    found = dict(numbers(said))
    assert len(found) <= MOST
    assert found["rows"] == manifest["counts"]["rows"]
    assert 0 <= found["balance"] <= 1
    assert found["rejected_share"] == pytest.approx(1 - found["rows"] / _all(release), abs=1e-6)
    assert list(said["scores"]) == release.scores["task"].unique(maintain_order=True).to_list()
    assert all("best" in figures for figures in said["scores"].values())


def _all(release: Release) -> int:
    return sum(part.select(pl.len()).collect().item() for part in (release.rows, release.rejected))


def test_balance_is_the_share_that_the_rarest_label_has_of_the_most_frequent(tmp_path: Path) -> None:
    import corpora

    release = corpora.reddit(4)
    rare = pl.col("emotion") == "fear"
    fewer = release.rows.filter(~rare | (pl.int_range(pl.len()).over("emotion") < 3))
    assert metrics_of(release, fewer, tmp_path / "three of four")["balance"] == 0.75
    assert metrics_of(release, release.rows.filter(~rare), tmp_path / "none of four")["balance"] == 0


def metrics_of(release: Release, rows: pl.LazyFrame, into: Path) -> dict[str, Any]:
    write_release(replace(release, rows=rows), into)
    return dict(json.loads((into / "metrics.json").read_text()))


BOARD = Board("detection", "Title", "Sentence.", {"miou": "how much", "f1": "of each"}, ranked=False)


def card(*boards: Board) -> CardText:
    return CardText("", "", "", "", "label", (), (), (), {}, {}, boards=boards)


def test_a_leaderboard_is_headed_by_its_first_metric_and_the_best_mean_over_the_conditions_of_its_test() -> None:
    rows = [
        scored("detection", "majority class", "miou", 0.4),
        *(scored("detection", "steady", "miou", value, form=form) for form, value in (("blur", 0.6), ("jpeg", 0.7))),
        *(scored("detection", "brittle", "miou", value, form=form) for form, value in (("blur", 0.1), ("jpeg", 0.9))),
        scored("detection", "steady", "f1", 0.99),
        scored("detection", "brittle", "miou", 0.95, label="one class"),
    ]
    assert headlines(table(rows), card(BOARD)) == {"detection": {"best": 0.65, "majority": 0.4}}


def test_without_a_leaderboard_the_best_accuracy_counts_however_the_subject_was_asked() -> None:
    rows = [
        scored("probe", "model", "macro_f1", 0.9, form="raw"),
        scored("probe", "model", "accuracy", 0.5, form="raw"),
        scored("probe", "model", "accuracy", 0.7, form="template"),
        scored("mean", "all", "mean", 42.0),
    ]
    assert headlines(table(rows), card()) == {"probe": {"best": 0.7}, "mean": {"best": 42.0}}


def test_a_task_whose_headline_was_not_measured_has_none() -> None:
    rows = [scored("detection", "one", "f1", 0.9), scored("detection", "one", "miou", None)]
    assert headlines(table(rows), card(BOARD)) == {}
