"""What changed in settings, catalog or sources is made again, with all that depends on it and nothing else."""

import functools
import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.utils import make_new_run_id
from project import Project

from corpusmith.assets.registry import corpus_of, load
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project import automation, changes
from corpusmith.models import catalog

SCORED = {"naturalness", "probes", "zero_shot", "steering", "persistence"}


class Watched:
    """The sensor of a corpus over settings in a folder of one's own, ticked by hand; its runs end as the test says."""

    def __init__(self, corpus: str, folder: Path):
        self.folder = folder
        self.corpus = corpus_of(corpus)
        self.workshop = Workshop(folder, load())
        self.instance, self.cursor = dg.DagsterInstance.ephemeral(), None
        self.requests: list[dg.RunRequest] = []

    def tick(self) -> list[tuple[str, str | None, set[str]]]:
        """What is asked for: of each run the job, the partition and the assets."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"workshop": self.workshop}
        )
        self.found = automation.changes_sensor(self.corpus)(context)
        self.cursor = self.found.cursor or self.cursor
        self.requests = self.found.run_requests or []
        return [
            (run.job_name, run.partition_key, {key.path[-1] for key in run.asset_selection}) for run in self.requests
        ]

    def asked(self) -> list[tuple[str, str | None, set[str]]]:
        """What two ticks ask for: what changed has settled by the second."""
        return [*self.tick(), *self.tick()]

    @property
    def why(self) -> str:
        return self.found.skip_reason.skip_message

    def released(self) -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization([self.corpus.name, "release"]))

    def end(self, status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS) -> None:
        """The runs that were asked for last end so."""
        for asked in self.requests:
            tags = {**asked.tags, **({"dagster/partition": asked.partition_key} if asked.partition_key else {})}
            self.instance.add_run(
                dg.DagsterRun(job_name=asked.job_name, run_id=make_new_run_id(), status=status, tags=tags)
            )

    def set(self, name: str, value: object) -> None:
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        *above, last = name.split(".")
        functools.reduce(dict.__getitem__, above, params)[last] = value
        path.write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = Project(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    return project.folder


@pytest.fixture
def numbers(folder: Path) -> Watched:
    """The corpus of numbers, released and watched."""
    watched = Watched("numbers", folder)
    watched.released()
    assert watched.tick() == []
    return watched


def test_a_setting_makes_what_depends_on_it_and_nothing_before_it(numbers: Watched) -> None:
    numbers.set("numbers.highest", 500)
    assert numbers.asked() == [("numbers", None, {"curated", "mean", "release"})]
    assert numbers.requests[0].tags["corpusmith/changed"] == "highest"
    assert {key.name for key in numbers.requests[0].asset_check_keys} == {"schema", "square_known"}
    numbers.end()
    assert numbers.tick() == []
    assert numbers.why == "nothing changed"


def test_a_setting_that_no_asset_claims_makes_the_whole_corpus_job_by_job(numbers: Watched) -> None:
    numbers.set("numbers.count", 31)
    found = []
    for _ in range(4):
        found += numbers.tick()
        numbers.end()
    assert found == [
        ("numbers_plan", None, {"plan"}),
        ("numbers_squares", "odd", {"squares"}),
        ("numbers_squares", "even", {"squares"}),
        ("numbers", None, {"curated", "mean", "release"}),
    ]
    assert numbers.tick() == []


def test_what_is_being_edited_is_looked_at_again(numbers: Watched) -> None:
    for highest in (500, 400, 300):
        numbers.set("numbers.highest", highest)
        assert numbers.tick() == []
        assert "looked at again at the next tick: highest" in numbers.why
    assert len(numbers.tick()) == 1


def test_settings_that_cannot_be_read_are_named_and_then_taken_up(numbers: Watched) -> None:
    numbers.set("numbers.highest", "many")
    assert numbers.asked() == []
    assert "numbers.highest" in numbers.why
    numbers.set("numbers.highest", 500)
    assert len(numbers.asked()) == 1


def test_what_was_put_back_asks_for_nothing(numbers: Watched) -> None:
    numbers.set("numbers.highest", 500)
    assert numbers.tick() == []
    numbers.set("numbers.highest", 600)
    assert numbers.asked() == []


def test_a_version_and_what_is_of_this_machine_decide_nothing(numbers: Watched) -> None:
    numbers.set("numbers.version", "1.1.0")
    numbers.set("work.webhook", "https://example.org")
    numbers.set("reddit.balanced.tolerance", 0.05)
    assert numbers.asked() == []


def test_what_failed_is_asked_for_again_with_the_next_change(numbers: Watched) -> None:
    numbers.set("numbers.count", 31)
    assert numbers.asked()[0][0] == "numbers_plan"
    numbers.end(dg.DagsterRunStatus.FAILURE)
    assert numbers.asked() == []
    assert numbers.why == "numbers_plan failed: run it again, or change what was wrong"
    numbers.set("numbers.highest", 500)
    assert numbers.asked()[0][0] == "numbers_plan"


def test_what_failed_and_was_run_again_by_somebody_goes_on(numbers: Watched) -> None:
    numbers.set("numbers.count", 31)
    numbers.asked()
    last = numbers.requests
    numbers.end(dg.DagsterRunStatus.FAILURE)
    numbers.tick()
    numbers.requests = last
    numbers.end()
    assert [job for job, *_ in numbers.tick()] == ["numbers_squares", "numbers_squares"]


def test_what_changes_while_a_run_is_at_work_waits_for_its_end(numbers: Watched) -> None:
    numbers.set("numbers.highest", 500)
    numbers.asked()
    numbers.end(dg.DagsterRunStatus.STARTED)
    numbers.set("numbers.highest", 400)
    assert numbers.asked() == []
    assert numbers.why == "numbers is running"
    (run,) = numbers.instance.get_runs()
    numbers.instance.report_run_failed(run)
    assert len(numbers.tick()) == 1


def test_a_corpus_that_was_never_built_is_left_to_its_own_job(folder: Path) -> None:
    watched = Watched("numbers", folder)
    watched.tick()
    watched.set("numbers.highest", 500)
    assert watched.asked() == []
    assert "numbers is built by its own job first" in watched.why


@pytest.mark.parametrize(
    ("corpus", "path", "first"),
    [
        ("reddit", "scores.epochs", {"probes", "zero_shot", "persistence", "release"}),
        ("reddit", "balanced.tolerance", {"balanced", *SCORED, "release"}),
        ("reddit", "models.generator", {"synthesized", "agreement", "balanced", *SCORED, "release"}),
        ("reddit", "scores.bootstrap", {"agreement", *SCORED, "release"}),
        ("reddit", "models.probed", {"probes", "zero_shot", "steering", "persistence", "release"}),
        ("reddit", "scores.steering.rows", {"steering", "persistence", "release"}),
        ("reddit", "scores.persistence.rows", {"persistence", "release"}),
        ("portraits", "perceivers", {"perceiver_scores", "release"}),
        ("edits", "scores.width", {"segmentation_scores", "release"}),
        ("imagenet", "curated.agree", {"curated", "shift_scores", "release"}),
    ],
)
def test_the_corpora_say_which_assets_read_a_setting(corpus: str, path: str, first: set[str]) -> None:
    assert changes.affected(corpus_of(corpus), [path]) == first


@pytest.mark.parametrize("corpus", ["reddit", "portraits", "edits", "imagenet"])
def test_every_path_that_a_corpus_claims_is_one_of_its_settings_and_its_assets(corpus: str) -> None:
    made, settings = corpus_of(corpus), load().of(corpus).model_dump()
    for path, assets in made.reads.items():
        functools.reduce(dict.__getitem__, path.split("."), settings)
        assert set(assets) <= changes.affected(made, ["no such path"])


def test_another_entry_of_a_model_in_the_catalog_makes_what_asks_for_the_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = Path(shutil.copy(catalog.CATALOG, folder / "catalog.yaml"))
    monkeypatch.setattr(changes, "catalog", functools.cache(lambda: catalog.catalog.__wrapped__(entries)))
    watched = Watched("portraits", folder)
    watched.released()
    watched.tick()
    text = entries.read_text()
    entries.write_text(text.replace("  house/clip:\n", "  house/clip: # another one\n"))
    assert watched.asked() == [], "a comment is no change"
    entries.write_text(text.replace("repository: house/expression-vit", "batch: 7, repository: house/expression-vit"))
    asked = watched.asked()
    assert asked == [("portraits", None, {"curated", "annotations", "generator_scores", "perceiver_scores", "release"})]
    assert watched.requests[0].tags["corpusmith/changed"] == "annotators, perceivers"


def test_images_put_into_the_inbox_make_the_corpus_that_takes_them(folder: Path) -> None:
    watched = Watched("edits", folder)
    watched.released()
    watched.tick()
    (folder / "inbox").mkdir()
    (folder / "inbox" / "cat.png").write_bytes(b"a photograph")
    ((job, partition, assets),) = watched.asked()
    assert (job, partition) == ("edits", None)
    assert assets == {"scenes", "regions", "turns", "curated", "segmentation_scores", "release"}
