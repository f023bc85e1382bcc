"""What training on generated images is worth where the world shifts: from what each classifier said, rows of SCORES."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.imagenet.training import BOTH, FAMILY, REAL, Study, Test
from corpusmith.models import classifiers
from corpusmith.score import shift
from corpusmith.score.metrics import calibration_error
from corpusmith.score.scores import Measurement, score

Bools = np.ndarray[Any, np.dtype[np.bool_]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Rows = Iterator[dict[str, Any]]

BASELINE: Final = "real images alone, all networks"
"""The subject of the line that effective robustness is held against."""
METRICS: Final = {
    "accuracy": "share of the test images that are seen as their class",
    "effective_robustness": "accuracy under the shift beyond what the line predicts from the accuracy on real images",
    "slope": "of the line, between log odds of accuracies, through the classifiers trained on real images alone",
    "intercept": "of the same line",
    "r2": "share of the variance that the line explains",
    "ece": "expected calibration error over 15 bins; no interval, for resampling raises it",
    "failure_point": "mean smallest severity at which a sample is seen wrongly; one more than the last where none is",
    "fails_at": "share of the samples whose failure point this severity is; 0: without the nuisance",
    "never_fails": "share of the samples that are seen rightly at every severity",
    "shifted_accuracy": "mean accuracy over the test sets that have no severity, real and generated ones left out",
}
"""What each metric of the tasks shift and amount is. Intervals are over seeds and test images together."""


@dataclass(frozen=True)
class Answers:
    """What all classifiers answer in all tests.

    courses: network, revision, learns, amount, seed, a row for each. tests, right (courses, rows) and confidence, the
    same shape: by the form of the test. draws: resamples.
    """

    study: Study
    courses: pl.DataFrame
    tests: dict[str, Test]
    right: dict[str, Bools]
    confidence: dict[str, Floats]
    draws: int

    @classmethod
    def of(cls, study: Study, trained: pl.DataFrame, draws: int) -> Answers:
        """Those of trainings (corpusmith.assets.imagenet.training.trained); there is one at least."""
        said, confidence = (np.stack(trained[name].to_numpy()) for name in ("said", "confidence"))
        places = study.tested.about["place"].to_numpy()
        ends = np.cumsum([len(test.rows) for test in study.tests])
        parts = [slice(end - len(test.rows), end) for test, end in zip(study.tests, ends, strict=True)]
        each = list(zip(study.tests, parts, strict=True))
        return cls(
            study,
            trained.select("network", "revision", "learns", "amount", "seed"),
            {test.form: test for test in study.tests},
            {test.form: said[:, part] == places[test.rows] for test, part in each},
            {test.form: confidence[:, part].astype(np.float64) for test, part in each},
            draws,
        )

    @cached_property
    def accuracy(self) -> dict[str, Floats]:
        """By the form of the test, (courses,)."""
        return {form: right.mean(axis=1) for form, right in self.right.items()}

    @cached_property
    def resampled(self) -> dict[str, Floats]:
        """The same in each resample, (draws, courses): tests of the same samples draw the same of them."""
        return {
            form: shift.resampled(right, self.samples(self.tests[form]), draws=self.draws)
            for form, right in self.right.items()
        }

    def samples(self, test: Test) -> str:
        """What stands for the samples of a test."""
        return _digest(self.study.tested.about["id"].gather(test.rows))

    @cached_property
    def baseline(self) -> list[int]:
        """The courses on real images alone, all of them or a part: the family that the line is fitted to."""
        alone = (pl.col("learns") == REAL) | pl.col("learns").str.starts_with(FAMILY)
        return self.courses.select(alone.arg_true()).to_series().to_list()

    def subjects(self, wanted: pl.Expr) -> Iterator[tuple[str, str, list[int]]]:
        """Network, what it learns from, and the courses of its seeds, in order."""
        rows = self.courses.with_row_index("row").filter(wanted)
        for (network, learns), part in rows.group_by("network", "learns", maintain_order=True):
            yield str(network), str(learns), part["row"].to_list()


def shift_rows(answers: Answers, of_it: Measurement) -> Rows:
    """Every subject in every test, the line, and where samples fail."""
    no_point = pl.col("amount").is_null() & ~pl.col("learns").str.starts_with(FAMILY)
    subjects = list(answers.subjects((pl.col("learns") == REAL) | no_point))
    for test in answers.tests.values():
        lines = _lines(answers, test)
        if lines:
            yield from _line_rows(replace(of_it, subject=BASELINE, form=test.form), lines)
        for network, learns, seeds in subjects:
            named = _named(of_it, network, learns, test.form, answers)
            yield _mean(named, "accuracy", answers.accuracy[test.form], answers.resampled[test.form], seeds, test)
            yield named.row | {"metric": "ece", "value": _ece(answers, test, seeds), "n": len(test.rows)}
            if lines:
                yield _robustness(named, answers, test, lines, seeds)
    for network, learns, seeds in subjects:
        yield from _failures(_named(of_it, network, learns, None, answers), answers, seeds)


def amount_rows(answers: Answers, of_it: Measurement) -> Rows:
    """Accuracy by the share of all generated images that is beside the real ones, on these and on the mean shift."""
    looks = [test.form for test in answers.tests.values() if test.is_shift and test.severity is None]
    measures = {"accuracy": [REAL], "shifted_accuracy": looks}
    for network, _, seeds in answers.subjects(pl.col("amount").is_not_null()):
        amount = answers.courses["amount"][seeds[0]]
        named = _named(of_it, network, BOTH if amount else REAL, f"{amount:.0%} of the generated images", answers)
        for metric, forms in measures.items():
            if not forms or forms[0] not in answers.right:
                continue
            value = float(np.mean([answers.accuracy[form][seeds].mean() for form in forms]))
            each = np.mean([answers.resampled[form][:, seeds] for form in forms], axis=0)
            n = sum(len(answers.tests[form].rows) for form in forms)
            yield score(named, metric, value, shift.over_seeds(each, _seeds_key(seeds)), n)


Lines = tuple[shift.Line, shift.Line]
"""The line as it is, and of each resample."""


def _lines(answers: Answers, test: Test) -> Lines | None:
    """None of real images themselves, without those, and where the family has no line."""
    if test.group == REAL or test.without not in answers.right or not answers.baseline:
        return None
    family = answers.baseline
    rows, others = len(test.rows), len(answers.tests[test.without].rows)
    found, each = (
        shift.line(shift.logit(of[test.without][..., family], others), shift.logit(of[test.form][..., family], rows))
        for of in (answers.accuracy, answers.resampled)
    )
    return None if np.isnan(found.slope) else (found, each)


def _line_rows(of_it: Measurement, lines: Lines) -> Rows:
    whole, each = lines
    for metric in ("slope", "intercept", "r2"):
        yield score(of_it, metric, float(getattr(whole, metric)), getattr(each, metric), whole.n)


def _robustness(named: Measurement, answers: Answers, test: Test, lines: Lines, seeds: list[int]) -> dict[str, Any]:
    """Effective robustness, of each seed by its own accuracy on real images; each resample has its own line."""
    others = len(answers.tests[test.without].rows)
    value, each = (
        np.stack(
            [
                shift.effective_robustness(
                    line, shift.logit(of[test.without][..., seed], others), of[test.form][..., seed]
                )
                for seed in seeds
            ],
            axis=-1,
        )
        for line, of in zip(lines, (answers.accuracy, answers.resampled), strict=True)
    )
    drawn = shift.over_seeds(each, _seeds_key(seeds))
    return score(named, "effective_robustness", float(value.mean()), drawn, len(test.rows))


def _failures(named: Measurement, answers: Answers, seeds: list[int]) -> Rows:
    """The failure points of the samples that a nuisance has at every severity, and without it where they are known."""
    shifts = [test for test in answers.tests.values() if test.is_shift and test.severity is not None]
    for nuisance in dict.fromkeys(test.group for test in shifts):
        found = _trajectories(answers, [test for test in shifts if test.group == nuisance], seeds)
        if found is None:
            continue
        levels, samples, right = found
        place = shift.failure_points(right)
        point = np.array([*levels, levels[-1] + 1])[place]
        measures = [("failure_point", nuisance, point), ("never_fails", nuisance, right.all(axis=-1))]
        measures += [("fails_at", f"{nuisance} {level}", point == level) for level in levels]
        for metric, form, values in measures:
            drawn = shift.over_seeds(shift.resampled(values, samples, draws=answers.draws), _seeds_key(seeds))
            yield score(replace(named, form=form), metric, float(values.mean()), drawn, values.shape[1])


def _trajectories(answers: Answers, tests: list[Test], seeds: list[int]) -> tuple[list[int], str, Bools] | None:
    """Severities, what stands for the samples, and whether each is seen rightly: (seeds, samples, severities)."""
    places = {int(test.severity or 0): _places(answers, test) for test in tests}
    plain = answers.tests.get(REAL)
    if plain is not None and plain.allowed == tests[0].allowed:
        natural = _places(answers, plain).join(places[min(places)], on="id", how="semi", maintain_order="left")
        places |= {} if natural.is_empty() else {0: natural}
    forms = {0: REAL} | {int(test.severity or 0): test.form for test in tests}
    levels = sorted(places)
    together = places[levels[0]].select("id")
    for level in levels:
        together = together.join(places[level].rename({"at": f"{level}"}), on="id", maintain_order="left")
    if together.is_empty():
        return None
    right = [answers.right[forms[level]][np.ix_(seeds, together[f"{level}"].to_numpy())] for level in levels]
    return levels, _digest(together["id"]), np.stack(right, axis=-1)


def _places(answers: Answers, test: Test) -> pl.DataFrame:
    """Where each sample of a test is among its answers: id, at."""
    ids = answers.study.tested.about["id"].gather(test.rows)
    return ids.to_frame().with_row_index("at").unique("id", keep="first", maintain_order=True)


def _mean(
    of_it: Measurement, metric: str, values: Floats, resampled: Floats, seeds: list[int], test: Test
) -> dict[str, Any]:
    """A mean over seeds of what each classifier has, (courses,), and in each resample, (draws, courses)."""
    drawn = shift.over_seeds(resampled[:, seeds], _seeds_key(seeds))
    return score(of_it, metric, float(values[seeds].mean()), drawn, len(test.rows))


def _ece(answers: Answers, test: Test, seeds: list[int]) -> float:
    right, sure = answers.right[test.form], answers.confidence[test.form]
    return float(np.mean([calibration_error(sure[seed], right[seed]) for seed in seeds]))


def _named(of_it: Measurement, network: str, learns: str, form: str | None, answers: Answers) -> Measurement:
    """Whose scores they are; a network of our own is the project's model, another the Hub's."""
    subject = f"{network}, {learns}"
    if network in classifiers.OWN:
        return replace(of_it, subject=subject, form=form)
    revision = answers.courses.filter(network=network)["revision"][0]
    return replace(of_it, subject=subject, form=form, model=network, revision=revision)


def _seeds_key(seeds: list[int]) -> str:
    """All subjects draw the same of their seeds, so that they are compared alike."""
    return f"{len(seeds)} seeds"


def _digest(ids: pl.Series) -> str:
    return hashlib.blake2b("\n".join(ids).encode(), digest_size=16).hexdigest()
