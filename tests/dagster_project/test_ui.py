"""What the UI sends to a fresh home does what it says: "Materialize all", a backfill, and runs that want one card."""

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_graphql.test.utils import execute_dagster_graphql
from project import Project

from corpusmith.assets.registry import corpus_of, load
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.instance import SETTINGS, at_work
from corpusmith.release import manifest

DEFS = "corpusmith.dagster_project.definitions"
HERE = {"repositoryLocationName": "in_process", "repositoryName": "__repository__"}
STARTED = dg.DagsterRunStatus.STARTED
EVERYTHING = ("plan", "squares", "curated", "mean", "release", "published")
BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
RUN = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""


class Ui:
    """The UI and the daemon of a fresh home, in this process; runs run here, unless they are only to be queued."""

    def __init__(self, workspace: WorkspaceProcessContext):
        self.workspace, self.instance = workspace, workspace.instance
        self.queue = QueuedRunCoordinatorDaemon(interval_seconds=1)

    def send(self, mutation: str, **params: object) -> dict[str, object]:
        answer = execute_dagster_graphql(self.workspace.create_request_context(), mutation, {"params": params})
        assert not answer.errors
        (said,) = answer.data.values()
        assert said["__typename"].endswith("Success"), said
        return said

    def dequeue(self) -> None:
        """The daemon looks at the queue once."""
        list(self.queue.run_iteration(self.workspace))

    def backfill(self, **params: object) -> str:
        """What becomes of a backfill."""
        number = self.send(BACKFILL, **params)["backfillId"]
        for _ in range(20):
            errors = [error for error in execute_backfill_iteration(self.workspace, logging.getLogger("test")) if error]
            assert not errors, errors[0].to_string()
            self.dequeue()
            found = self.instance.get_backfill(number).status.value
            if found not in ("REQUESTED", "COMPLETING"):
                return found
        return found

    def statuses(self) -> list[str]:
        return [run.status.value for run in reversed(self.instance.get_runs())]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home, as make dev leaves it before anything is done."""
    folder = Project(tmp_path / "project").folder
    (folder / ".corpusmith" / "dagster").mkdir(parents=True)
    shutil.copy(SETTINGS, folder / ".corpusmith" / "dagster" / "dagster.yaml")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DAGSTER_HOME", str(folder / ".corpusmith" / "dagster"))
    monkeypatch.setenv("CORPUSMITH_HOME", str(folder))
    monkeypatch.setenv("CORPUSMITH_PROFILE", "smoke")
    return folder


def opened(folder: Path, launcher: dict[str, str]) -> Iterator[Ui]:
    sys.modules.pop(DEFS, None)  # loaded anew, as a code server does
    ref = InstanceRef.from_dir(str(folder / ".corpusmith" / "dagster"), overrides={"run_launcher": launcher})
    code = LoadableTargetOrigin(executable_path=sys.executable, module_name=DEFS)
    with dg.DagsterInstance.from_ref(ref) as instance:
        target = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(code, location_name="in_process"))
        with WorkspaceProcessContext(instance, target) as workspace:
            yield Ui(workspace)


@pytest.fixture
def ui(folder: Path) -> Iterator[Ui]:
    yield from opened(
        folder, {"module": "dagster._core.launcher.sync_in_memory_run_launcher", "class": "SyncInMemoryRunLauncher"}
    )


@pytest.fixture
def queue(folder: Path) -> Iterator[Ui]:
    yield from opened(folder, {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"})


def keys(*names: str) -> list[dict[str, list[str]]]:
    return [{"path": ["numbers", name]} for name in names]


def test_materialize_all_in_a_fresh_home_builds_checks_releases_and_publishes(ui: Ui, folder: Path) -> None:
    assert ui.backfill(assetSelection=keys(*EVERYTHING), allPartitions=True) == "COMPLETED_SUCCESS"
    assert manifest.check(folder / "data/numbers").counts["rows"] == 23
    assert manifest.check(folder / "published/numbers/1.0.0").version == "1.0.0"
    assert manifest.check(folder / "versions/numbers/1.0.0").version == "1.0.0"


def test_a_backfill_makes_the_partitions_it_names(ui: Ui, folder: Path) -> None:
    tables = folder / ".corpusmith" / "tables" / "numbers"
    assert ui.backfill(assetSelection=keys("plan"), allPartitions=True) == "COMPLETED_SUCCESS"
    assert ui.backfill(assetSelection=keys("squares"), partitionNames=["odd"]) == "COMPLETED_SUCCESS"
    assert [path.name for path in (tables / "squares").iterdir()] == ["odd.parquet"]
    assert ui.backfill(assetSelection=keys("squares"), partitionNames=["odd", "even"]) == "COMPLETED_SUCCESS"
    assert len(list((tables / "squares").iterdir())) == 2


def launch(queue: Ui, *path: str) -> str:
    selector = {**HERE, "jobName": "__ASSET_JOB", "assetSelection": [{"path": list(path)}], "assetCheckSelection": []}
    return queue.send(RUN, selector=selector, mode="default")["run"]["runId"]


def test_two_runs_that_compute_on_a_card_do_not_run_at_once(queue: Ui) -> None:
    one, two = launch(queue, "edits", "turns"), launch(queue, "reddit", "labelled")
    launch(queue, "numbers", "plan")
    queue.dequeue()
    assert queue.statuses() == ["STARTING", "QUEUED", "STARTING"], "the plan needs no card"
    queue.dequeue()
    assert queue.instance.get_run_by_id(two).status is dg.DagsterRunStatus.QUEUED
    queue.instance.report_run_failed(queue.instance.get_run_by_id(one))
    queue.dequeue()
    assert queue.instance.get_run_by_id(two).status is dg.DagsterRunStatus.STARTING


SLOW = """
import time
import numbers_corpus
from numbers_corpus import CORPUS


def make(self, rows):
    time.sleep(600)


numbers_corpus.Squares.make = make
"""


def test_a_build_that_was_killed_on_the_card_is_in_nobodys_way(
    queue: Ui, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_numbers.py").write_text(SLOW)
    params = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(params.replace("numbers_corpus", "slow_numbers"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    project = Project.__new__(Project)
    project.folder = folder
    build = project.start("build", "numbers")
    deadline = time.monotonic() + 120
    while not (runs := queue.instance.get_runs(dg.RunsFilter(job_name="numbers_squares", statuses=[STARTED]))):
        assert build.poll() is None, build.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    build.kill()
    build.communicate()
    (folder / "params.yaml").write_text(params)
    waiting = launch(queue, "reddit", "labelled")
    queue.dequeue()
    assert queue.instance.get_run_by_id(waiting).status is dg.DagsterRunStatus.QUEUED, "the card looks taken"

    assert at_work(corpus_of("numbers"), Workshop(folder, load()), queue.instance) is None
    assert queue.instance.get_run_by_id(runs[0].run_id).status is dg.DagsterRunStatus.FAILURE
    queue.dequeue()
    assert queue.instance.get_run_by_id(waiting).status is dg.DagsterRunStatus.STARTING
    assert '"made": true' in project.run("build", "numbers", "--json"), "a build waits for no card"
