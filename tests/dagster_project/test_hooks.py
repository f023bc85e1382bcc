"""A web address is told of each run that failed, without secrets; one that does not answer stops nothing for long."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest
import yaml
from project import Project

from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project import hooks
from corpusmith.dagster_project.definitions import definitions
from corpusmith.errors import UserError

SAID = {"error": "no"}


class Listening(ThreadingHTTPServer):
    """A server that answers each request with the next of its statuses (the last one from then on), or too late."""

    daemon_threads = True

    def __init__(self, *statuses: int, seconds: float = 0):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses, self.seconds = list(statuses), seconds
        self.heard: list[dict[str, object]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T0/s3cret"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        server.heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        time.sleep(server.seconds)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(server.statuses.pop(0) if len(server.statuses) > 1 else server.statuses[0])
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def listening(*statuses: int, seconds: float = 0) -> Iterator[Listening]:
    with Listening(*statuses, seconds=seconds) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "PAUSE", 0.01)


def test_what_is_told_arrives_once() -> None:
    with listening(200) as server:
        hooks.tell(server.address, SAID)
    assert server.heard == [SAID]


def test_an_address_that_fails_once_is_told_again() -> None:
    with listening(500, 204) as server:
        hooks.tell(server.address, SAID)
    assert server.heard == [SAID, SAID]


def test_an_address_that_fails_twice_is_given_up_and_not_shown() -> None:
    with listening(500) as server, pytest.raises(UserError, match="2 attempts; the last: HTTP 500") as raised:
        hooks.tell(server.address, SAID)
    assert len(server.heard) == 2
    assert "s3cret" not in str(raised.value)


def test_an_address_that_does_not_answer_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "TIMEOUT", 0.05)
    with listening(200, seconds=0.5) as server, pytest.raises(UserError, match="the last: ReadTimeout"):
        hooks.tell(server.address, SAID)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "example.org/hook", ""])
def test_what_is_no_web_address_is_said(address: str) -> None:
    with pytest.raises(UserError, match="begins with https:// or http://"):
        hooks.tell(address, SAID)


class Telling(Project):
    """A project with a webhook."""

    def tells(self, address: str | None, **numbers: object) -> Workshop:
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        params["work"]["webhook"] = address
        params["numbers"] |= numbers
        path.write_text(yaml.safe_dump(params))
        return Workshop(self.folder, load())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Telling:
    project = Telling(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    return project


def failed_run(workshop: Workshop, instance: dg.DagsterInstance) -> object:
    """A build of numbers that fails, and what the sensor does about it."""
    defs = definitions(workshop)
    instance.add_dynamic_partitions("numbers_squares", ["odd", "even"])
    jobs = [("numbers_plan", None), ("numbers_squares", "odd"), ("numbers_squares", "even"), ("numbers", None)]
    for job, partition in jobs:
        found = defs.resolve_job_def(job).execute_in_process(
            instance=instance, partition_key=partition, raise_on_error=False
        )
        if not found.success:
            break
    assert not found.success
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_event=found.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=found.dagster_run,
        resources={"workshop": workshop},
    ).for_run_failure()
    return hooks.failed_runs(context)


def test_a_run_that_failed_is_told_with_its_corpus_job_error_and_no_secret(
    project: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numbers_corpus

    def make(self: object, rows: object) -> None:
        raise ConnectionError("no answer from https://ada:hunter2@example.org/?token=abc")

    monkeypatch.setattr(numbers_corpus.Squares, "make", make)
    with listening(200) as server, dg.DagsterInstance.ephemeral() as instance:
        failed_run(project.tells(server.address), instance)
    (said,) = server.heard
    assert {name: said[name] for name in ("corpus", "job", "partition", "failed", "checks")} == {
        "corpus": "numbers", "job": "numbers_squares", "partition": "odd", "failed": ["numbers__squares"], "checks": []
    }  # fmt: skip
    assert "TooManyFailures" in said["error"]
    assert "\n" not in said["error"]
    assert "hunter2" not in json.dumps(said)
    assert len(said["run_id"]) == 36


def test_expectations_that_broke_are_told_by_name(project: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    import numbers_corpus

    monkeypatch.setattr(numbers_corpus.Limits, "of", classmethod(lambda cls, settings, made=None: cls(1, made)))
    with listening(200) as server, dg.DagsterInstance.ephemeral() as instance:
        failed_run(project.tells(server.address), instance)
    (said,) = server.heard
    assert said["job"] == "numbers"
    assert said["checks"] == ["square_known"]


def test_where_the_settings_name_no_address_nobody_is_told(project: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    import numbers_corpus

    monkeypatch.setattr(numbers_corpus.Squares, "make", None)
    with dg.DagsterInstance.ephemeral() as instance:
        said = failed_run(project.tells(None), instance)
    assert isinstance(said, dg.SkipReason)
