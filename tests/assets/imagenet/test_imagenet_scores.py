"""What is scored of generated images: recognition, variety, and classifiers that learned from them, under shift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from imagenet_corpus import NAMES, corpus

from corpusmith.assets.imagenet import robustness, scores, shifts, training
from corpusmith.score.generators import wilson
from corpusmith.score.scores import SCORES, Measurement, table

TINY = (
    "imagenet.scores={networks: [resnet-18, vit], seeds: 2, steps: 2, batch_rows: 4, width: 4, size: 32, "
    "amounts: [0.5], family: 4, drawn: 2, sets: {}, bootstrap: 40}"
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("home"), TINY, "imagenet.strategies=[label, image]")


@pytest.fixture(scope="module")
def tests_of(made):
    """Some of the sets: two looks, and two severities of a nuisance."""
    few = pl.col("set").is_in(["natural", "sketch", "rendition", "blur"]) & (pl.col("severity").fill_null(1) <= 2)
    return shifts.shifts(made.workshop).filter(few).collect()


@pytest.fixture(scope="module")
def scored(made, tests_of):
    return scored_of(made, tests_of)


def scored_of(made, tests_of, make=None, settings=None, **tables):
    given = {"sources": made.sources, "images": made.images, "curated": made.curated, **tables}
    settings, make = settings or made.workshop.settings.imagenet, make or made.workshop.make
    return scores.of(given["sources"], tests_of.lazy(), given["images"], given["curated"], make, settings).collect()


def study_of(made, tests_of, settings=None, **tables):
    given = {"sources": made.sources, "images": made.images, "curated": made.curated, **tables}
    settings = settings or made.workshop.settings.imagenet
    return training.study(given["sources"], tests_of.lazy(), given["images"], given["curated"], settings)


def test_all_that_is_promised_is_scored_and_said(scored):
    assert scored.schema == SCORES
    assert set(scored["task"]) == {"recognition", "diversity", "shift", "amount"}
    assert set(scored["metric"]) <= set(scores.METRICS)
    assert not scored.select("task", "subject", "form", "metric").is_duplicated().any()
    bounded = scored.drop_nulls("low")
    assert (bounded["low"] <= bounded["value"] + 1e-9).mean() > 0.95
    assert {"made_on": "cpu (a test)"}.items() <= scored.filter(task="shift").row(0, named=True).items()


def test_each_measurement_and_each_training_is_made_once(made, tests_of, scored):
    tried = []

    def make(plan, maker):
        made_before = maker.make

        def count(rows):
            tried.append(maker.name)
            return made_before(rows)

        maker.make = count
        return made.workshop.make(plan, maker)

    assert scored_of(made, tests_of, make).equals(scored)
    assert tried == []


def test_recognition_is_the_share_that_the_recognizer_names_rightly(made, scored):
    judged = made.curated.filter(pl.col("seen").is_not_null()).collect()
    for form, part in (("all", judged), ("kept", judged.filter(verdict="kept"))):
        for strategy in ("label", "image"):
            some = part.filter(strategy=strategy)
            found = scored.filter(
                pl.col("subject").str.starts_with(f"{strategy}, "), task="recognition", form=form
            ).row(0, named=True)
            right = (some["seen"] == some["name"]).sum()
            assert (found["value"], found["n"]) == (pytest.approx(right / some.height), some.height)
            low, high = wilson(np.array([float(right)]), np.array([float(some.height)]))
            assert (found["low"], found["high"]) == (pytest.approx(low[0]), pytest.approx(high[0]))


def test_images_that_nobody_looked_at_count_for_no_recognition(made):
    unseen = made.curated.with_columns(seen=pl.lit(None, pl.String))
    assert scores.recognition(unseen, made.workshop.settings.imagenet).is_empty()


def test_variety_is_compared_at_as_many_images_of_each_class_in_every_way():
    rows = [("real", "a", 5), ("real", "b", 2), ("label", "a", 3), ("label", "b", 4), ("label", "c", 9)]
    images = pl.DataFrame(
        [(f"{way}{name}{i}", way, name, f"{(i * 7) % 5}{i}") for way, name, n in rows for i in range(n)],
        schema=["key", "way", "name", "image_sha256"],
        orient="row",
    )
    found = scores.alike(images)
    assert sorted(found.group_by("way", "name").len().rows()) == [
        ("label", "a", 3), ("label", "b", 2), ("real", "a", 3), ("real", "b", 2),
    ]  # fmt: skip
    assert scores.alike(images.reverse()).equals(found)


def test_copies_of_one_image_have_less_variety_than_others():
    random = np.random.default_rng(0)
    chosen = pl.DataFrame(
        [(f"{way}{name}{i}", way, name) for way in ("real", "label") for name in "ab" for i in range(14)],
        schema=["key", "way", "name"],
        orient="row",
    )
    vectors = random.normal(size=(56, 6))
    vectors[28:] = vectors[0] + random.normal(size=(28, 6)) * 0.01
    embedded = chosen.select("key", embedding=pl.Series(vectors.tolist())).lazy()
    found = table(scores.diversity_rows(chosen, embedded, Measurement("diversity", "", "m", "1", {}, "c"), 50))
    by = {(row["subject"], row["metric"]): row["value"] for row in found.to_dicts()}
    assert by["real", "spread"] > by["label", "spread"]
    assert by["real", "entropy"] > by["label", "entropy"]
    assert {metric for _, metric in by} == {"spread", "entropy", "intrinsic_dimension"}


def test_what_is_learned_from_is_paired_balanced_and_of_one_budget(made, tests_of):
    study = study_of(made, tests_of)
    about = study.learnt.about.with_row_index("row")
    for course in study.courses.filter(seed=0, network="resnet-18").to_dicts():
        part = about.filter(pl.col("row").is_in(course["rows"]))
        real, generated = part.filter(group="real"), part.filter(pl.col("group") != "real")
        learns = course["learns"]
        assert part.height == len(course["rows"]) == len(set(course["rows"]))
        assert (real.height == 15) is learns.startswith("real")
        assert (generated.height > 0) is ("generated" in learns)
        per_class = generated["place"].value_counts()["count"]
        if learns.endswith("(all)"):
            assert per_class.max() <= 5
            assert abs((generated["group"] == "label").sum() - (generated["group"] == "image").sum()) <= len(NAMES)
        if learns.endswith("(label)"):
            assert set(generated["group"]) == {"label"}
        if course["amount"] == 1:
            assert generated.height == about.filter(pl.col("group") != "real").height


def test_only_fit_images_of_the_train_split_are_learned_from(made, tests_of):
    study = study_of(made, tests_of)
    fit = made.curated.filter(verdict="kept").collect()
    learned = study.learnt.about.filter(pl.col("group") != "real")["id"]
    assert set(learned) == set(fit.filter(split="train")["key"])
    tested = study.tested.about.filter(group="generated")["id"]
    assert set(tested) == set(fit.filter(pl.col("split") != "train")["key"])
    splits = made.sources.filter(pl.col("source").is_in(study.tested.about["id"].implode())).collect()["split"]
    assert set(splits) == {"test"}


def test_the_family_learns_from_parts_of_the_real_images_alone(made, tests_of):
    study = study_of(made, tests_of)
    family = study.courses.filter(pl.col("learns").str.starts_with("family"))
    assert sorted(family["network"]) == ["resnet-18"] * 2 + ["vit"] * 2
    groups = study.learnt.about["group"]
    assert all(set(groups.gather(rows)) == {"real"} and len(rows) < 15 for rows in family["rows"])


def test_a_set_that_lacks_classes_is_told_apart_into_those_it_has(made, tests_of):
    part = tests_of.filter((pl.col("set") != "sketch") | (pl.col("name") != NAMES[0]))
    study = study_of(made, part)
    by_form = {test.form: test for test in study.tests}
    places = [study.names.index(name) for name in NAMES[1:]]
    assert sorted(by_form["sketch"].allowed) == sorted(places)
    assert by_form["sketch"].without == "real, sketch's classes"
    alike = by_form["real, sketch's classes"]
    assert set(study.tested.about["place"].gather(alike.rows)) == set(places)
    assert by_form["rendition"].without == "real"
    settings = made.workshop.settings.imagenet.scores.model_copy(update={"networks": ["resnet-18"], "seeds": 1})
    found = training.trained(replace(study, courses=study.courses.head(1)), made.workshop.make, settings)
    ends = np.cumsum([len(test.rows) for test in study.tests])
    for test, end in zip(study.tests, ends, strict=True):
        assert set(found["said"][0][int(end) - len(test.rows) : int(end)]) <= set(test.allowed)


def answers(right: dict[str, np.ndarray], courses: list[tuple[str, float | None, int]]) -> robustness.Answers:
    """What classifiers of one network answer in tests of one class, where only right and wrong are told."""
    groups = {"real": ("natural", None), "generated": ("generated", None), "sketch": ("sketch", None)}
    about, tests, start = [], [], 0
    for form, cells in right.items():
        nuisance, _, severity = form.partition(" ")
        group, degree = groups.get(form, (nuisance, int(severity) if severity else None))
        n = cells.shape[1]
        about += [(f"sample {i}", group, 0) for i in range(n)]
        tests.append(
            training.Test(
                form, "real" if form == "real" else group, degree, np.arange(start, start + n), (0, 1), "real"
            )
        )
        start += n
    frame = pl.DataFrame(about, schema=["id", "group", "place"], orient="row").with_columns(sha256="id")
    pool = training.Pool(frame, pl.LazyFrame(), 32)
    table_of = pl.DataFrame(
        [("resnet-18", learns, amount, seed, []) for learns, amount, seed in courses], training.COURSES, orient="row"
    )
    study = training.Study(["a", "b"], pool, pool, tests, table_of)
    said = np.concatenate([np.where(cells, 0, 1) for cells in right.values()], axis=1)
    made = table_of.with_columns(
        revision=pl.lit(""), said=pl.Series(said.tolist()), confidence=pl.Series(np.full(said.shape, 0.9).tolist())
    )
    return robustness.Answers.of(study, made, 60)


MEASURED = Measurement("shift", "all", "m", "1", {}, "c")


def first(n: int, rows: int = 100) -> np.ndarray:
    """Right in the first n rows."""
    return np.arange(rows) < n


def test_classifiers_on_the_line_are_no_more_robust_and_one_above_it_is():
    courses = [("real", 0.0, 0), ("real", 0.0, 1), ("family 0.33", None, 2), ("family 0.67", None, 3)]
    courses += [("generated (label)", None, 0), ("generated (label)", None, 1)]
    real = np.stack([first(n) for n in (80, 82, 40, 60, 60, 60)])
    sketch = np.stack([first(n) for n in (80, 82, 40, 60, 75, 75)])
    found = table(robustness.shift_rows(answers({"real": real, "sketch": sketch}, courses), MEASURED))
    line = found.filter(subject=robustness.BASELINE)
    assert dict(line.select("metric", "value").rows()) == pytest.approx({"slope": 1, "intercept": 0, "r2": 1}, abs=1e-9)
    assert set(line["n"]) == {4}
    robust = dict(found.filter(metric="effective_robustness").select("subject", "value").rows())
    assert robust["resnet-18, real"] == pytest.approx(0, abs=1e-9)
    assert robust["resnet-18, generated (label)"] == pytest.approx(0.15)
    assert not any("family" in subject for subject in found["subject"])


def test_failure_points_are_counted_by_the_first_severity_that_is_seen_wrongly():
    of = {
        "real": [[1, 1, 1, 0]], "blur 1": [[1, 1, 0, 1]], "blur 2": [[1, 0, 1, 1]], "sketch": [[1, 1, 1, 1]],
    }  # fmt: skip
    seen = answers({form: np.array(cells, bool) for form, cells in of.items()}, [("real", 0.0, 0)])
    found = table(robustness.shift_rows(seen, MEASURED)).filter(
        pl.col("metric").is_in(["failure_point", "fails_at", "never_fails"])
    )
    by = {(row["metric"], row["form"]): row["value"] for row in found.to_dicts()}
    assert by == {
        ("failure_point", "blur"): pytest.approx((3 + 2 + 1 + 0) / 4),
        ("never_fails", "blur"): 0.25,
        ("fails_at", "blur 0"): 0.25,
        ("fails_at", "blur 1"): 0.25,
        ("fails_at", "blur 2"): 0.25,
    }


def test_seeds_far_apart_make_wide_intervals():
    wide = answers({"real": np.stack([first(20), first(80)])}, [("real", 0.0, 0), ("real", 0.0, 1)])
    close = answers({"real": np.stack([first(50), first(50)])}, [("real", 0.0, 0), ("real", 0.0, 1)])
    widths = [
        table(robustness.shift_rows(one, MEASURED))
        .filter(metric="accuracy")
        .select(pl.col("high") - pl.col("low"))
        .item()
        for one in (wide, close)
    ]
    assert widths[0] > 2 * widths[1]


def test_the_curve_has_a_point_for_each_amount(made, scored):
    curve = scored.filter(task="amount", metric="accuracy")
    shown = [f"{share} of the generated images" for share in ("0%", "50%", "100%")]
    assert sorted(curve["form"].unique()) == sorted(shown)
    assert set(scored.filter(task="amount")["metric"]) == {"accuracy", "shifted_accuracy"}


@pytest.mark.parametrize(
    "lacking",
    ["one class", "no real images", "no tests", "nothing generated", "one photograph a class", "an empty corpus"],
)
def test_what_cannot_be_measured_has_no_rows_and_breaks_nothing(made, tests_of, lacking):
    sources, images, curated, shown = made.sources, made.images, made.curated, tests_of
    one = pl.col("name") == NAMES[0]
    nothing = pl.lit(None, sources.collect_schema()["image"])
    if lacking == "one class":
        sources, images, curated, shown = (table.filter(one) for table in (sources, images, curated, shown))
    if lacking == "no real images":
        sources = sources.with_columns(kind=pl.lit("none"), image=nothing, image_sha256=pl.lit(None, pl.String))
    if lacking == "no tests":
        sources, shown = sources.filter(pl.col("split") == "train"), shown.clear()
        curated = curated.filter(pl.col("split") == "train")
    if lacking == "nothing generated":
        images, curated = images.filter(pl.lit(False)), curated.filter(pl.lit(False))
    if lacking == "one photograph a class":
        sources = sources.unique("name", keep="first", maintain_order=True)
    if lacking == "an empty corpus":
        sources, images, curated = (table.filter(pl.lit(False)) for table in (sources, images, curated))
    asked = made.workshop.settings.imagenet
    few = asked.scores.model_copy(update={"seeds": 1, "family": 1, "networks": ["resnet-18"]})
    settings = asked.model_copy(update={"scores": few})
    found = scored_of(made, shown, settings=settings, sources=sources, images=images, curated=curated)
    tasks = set(found["task"])
    assert ("shift" in tasks) is (lacking in ("nothing generated", "one photograph a class"))
    assert ("amount" in tasks) is ("shift" in tasks)
    assert ("recognition" in tasks) is (lacking not in ("nothing generated", "an empty corpus"))
