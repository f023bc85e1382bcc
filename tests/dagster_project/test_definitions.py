"""What Dagster sees: groups, owners and checks, runs with their pictures, what runs when, pools, and retries."""

import urllib.error
from collections import Counter
from datetime import timedelta
from email.message import Message

import dagster as dg
import httpx
import pytest
import requests

from corpusmith.assets import registry
from corpusmith.assets.asset import RETRY, corpus_asset, is_transient
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project import automation
from corpusmith.dagster_project.definitions import definitions
from corpusmith.errors import (
    BalanceError,
    LedgerError,
    ModelError,
    ReleaseError,
    SettingsError,
    SourceError,
    TooManyFailures,
    ValidationFailed,
)

STAGES = {
    "dumps",
    "comments",
    "labelled",
    "rewritten",
    "synthesized",
    "balanced",
    "agreement",
    "naturalness",
    "probes",
    "zero_shot",
    "steering",
    "persistence",
    "release",
}
SCORED = {"curated", "annotations", "generator_scores", "perceiver_scores", "release"}


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    return Workshop(tmp_path, load(profile="smoke"))


def test_every_asset_has_a_group_an_owner_kinds_and_a_description(workshop):
    graph = definitions(workshop).resolve_asset_graph()
    keys = graph.get_all_asset_keys()
    assert {key.path[1] for key in keys if key.path[0] == "reddit"} == STAGES | {"published"}
    assert {key.path[1] for key in keys if key.path[0] == "portraits"} == SCORED | {"prompts", "images", "published"}
    for key in keys:
        node = graph.get(key)
        assert node.group_name == key.path[0]
        assert node.owners
        assert node.kinds
        assert node.description.endswith(".")


def test_every_expectation_is_a_blocking_check(workshop):
    graph = definitions(workshop).resolve_asset_graph()
    assert Counter(key.asset_key.path[0] for key in graph.asset_check_keys) == {
        "reddit": 35,
        "portraits": 38,
        "edits": 26,
        "imagenet": 34,
    }
    assert all(graph.get_check_spec(key).blocking for key in graph.asset_check_keys)


def test_a_build_publishes_nothing(workshop):
    job = definitions(workshop).resolve_job_def("reddit")
    assert {key.path[-1] for key in job.asset_layer.selected_asset_keys} == STAGES - {"dumps"}
    job = definitions(workshop).resolve_job_def("portraits")
    assert {key.path[-1] for key in job.asset_layer.selected_asset_keys} == SCORED


def test_the_runs_of_the_command_line_are_recorded_with_counts_and_pictures(built):
    with dg.DagsterInstance.from_config(str(built / ".corpusmith" / "dagster")) as instance:
        assert {run.job_name for run in instance.get_runs()} == {"reddit", "reddit_dumps"}
        for name in ("comments", "labelled", "balanced", "probes", "zero_shot"):
            event = instance.get_latest_materialization_event(dg.AssetKey(["reddit", name]))
            metadata = event.asset_materialization.metadata
            assert metadata["dagster/row_count"].value > 0
            assert metadata["rows per second"].value > 0
            assert metadata["picture"].value.startswith(f"![{name}](data:image/svg+xml;base64,")


@pytest.mark.parametrize("corpus", registry.corpora().values(), ids=lambda corpus: corpus.name)
def test_every_corpus_has_its_schedules_and_sensors_and_none_is_on(corpus):
    jobs = {schedule.name: schedule.job_name for schedule in automation.schedules(corpus)}
    assert jobs == {f"{corpus.name}_refresh": corpus.name, f"{corpus.name}_scoring": f"{corpus.name}_scoring"}
    assert {each.default_status for each in automation.schedules(corpus)} == {dg.DefaultScheduleStatus.STOPPED}
    expected = {"changes", "releases"} | ({"partitions"} if corpus.partitions else set())
    sensors = automation.sensors(corpus)
    assert {sensor.name.removeprefix(f"{corpus.name}_") for sensor in sensors} == expected
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.STOPPED}


def times_tried(error: Exception, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often an asset that raises is tried."""
    monkeypatch.setattr("corpusmith.assets.asset.RETRY", dg.RetryPolicy(max_retries=2, delay=0))
    tried = []

    @corpus_asset(group="test", kinds={"python"})
    def broken() -> None:
        """Fails."""
        tried.append(error)
        raise error

    ran = dg.materialize([broken], resources={"tables": dg.mem_io_manager}, raise_on_error=False)
    assert not ran.success
    return len(tried)


def answered(status: int) -> list[Exception]:
    """What the clients of sources, hubs and servers raise of an answer with this status."""
    request = httpx.Request("GET", "https://example.org")
    theirs = requests.Response()
    theirs.status_code = status
    return [
        httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request)),
        requests.HTTPError("no", response=theirs),
        urllib.error.HTTPError("https://example.org", status, "no", Message(), None),
    ]


TRANSIENT = [
    OSError("a disk that did not answer"),
    LedgerError("full"),
    TimeoutError(),
    ConnectionResetError(),
    requests.ConnectionError(),
    requests.Timeout(),
    urllib.error.URLError("no route"),
    httpx.ConnectError("no route"),
    httpx.ReadTimeout("slow"),
    *(error for status in (408, 429, 500, 502, 503) for error in answered(status)),
]
LASTING = [
    FileNotFoundError("no such file"),
    PermissionError("read-only"),
    ValueError("a fault of ours"),
    SettingsError("not a setting"),
    SourceError("no dump"),
    ModelError("gated"),
    ReleaseError("changed"),
    BalanceError("too few"),
    ValidationFailed("not so"),
    TooManyFailures("half of them"),
    *(error for status in (400, 401, 403, 404) for error in answered(status)),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_what_another_try_may_mend_is_a_transient_fault(error):
    assert is_transient(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_a_person_has_to_mend_is_none(error):
    assert not is_transient(error)


@pytest.mark.parametrize(("error", "times"), [(httpx.ReadTimeout("slow"), 3), (BalanceError("no"), 1)])
def test_only_a_transient_fault_is_tried_again(error, times, monkeypatch):
    assert times_tried(error, monkeypatch) == times


def test_the_next_try_comes_later_than_the_one_before():
    assert [RETRY.calculate_delay(attempt) for attempt in (1, 2)] == [5, 15]


def test_what_computes_on_a_card_is_of_the_pool_and_nothing_else(workshop):
    graph = definitions(workshop).resolve_asset_graph()
    pools = {key: graph.get(key).pools for key in graph.get_all_asset_keys()}
    assert {key for key, pool in pools.items() if pool} == {key for key in pools if "pytorch" in graph.get(key).kinds}
    assert set().union(*pools.values()) == {"gpu"}


def test_a_release_that_missed_a_refresh_is_stale(workshop):
    graph = definitions(workshop).resolve_asset_graph()
    policies = {
        key.path[0]: graph.get(key).freshness_policy for key in graph.get_all_asset_keys() if "release" in key.path
    }
    assert set(policies) == set(registry.corpora())
    assert {policy.fail_window.to_timedelta() for policy in policies.values()} == {timedelta(weeks=2)}
