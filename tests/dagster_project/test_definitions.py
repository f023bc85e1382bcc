"""What Dagster sees: groups, owners and checks, runs with their pictures, the schedule, the inbox sensor, retries."""

import os
from collections import Counter

import dagster as dg
import pytest

from assets.asset import corpus_asset
from assets.portraits.graph import GENERATORS
from assets.reddit.graph import DUMPS
from assets.reddit.sources import in_inbox
from assets.registry import load
from assets.resources import Workshop
from corpusmith.errors import BalanceError, LedgerError
from dagster_project import schedules
from dagster_project.definitions import definitions

STAGES = {"dumps", "comments", "labelled", "rewritten", "synthesized", "balanced", "probes", "zero_shot", "release"}
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
    assert Counter(key.asset_key.path[0] for key in graph.asset_check_keys) == {"reddit": 33, "portraits": 38}
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


def test_the_schedule_refreshes_the_corpus():
    assert schedules.reddit_weekly.job_name == "reddit"
    assert isinstance(schedules.reddit_weekly(dg.build_schedule_context()), dg.RunRequest)


def look(workshop: Workshop, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"workshop": workshop})
    return schedules.reddit_inbox(context)


def test_a_dump_in_the_inbox_is_read_and_then_the_corpus_refreshed(workshop):
    instance = dg.DagsterInstance.ephemeral()
    assert "no new dump" in look(workshop, instance).skip_reason.skip_message
    workshop.inbox.mkdir()
    dump = workshop.inbox / "RC_2020-01.ndjson"
    dump.write_text("{}\n")
    assert "still being written" in look(workshop, instance).skip_reason.skip_message
    os.utime(dump, (1, 1))

    first = look(workshop, instance)
    [name] = in_inbox(workshop)
    assert [(run.job_name, run.partition_key) for run in first.run_requests] == [("reddit_dumps", name)]
    instance.add_dynamic_partitions(DUMPS.name, [name])
    assert "not read yet" in look(workshop, instance, first.cursor).skip_reason.skip_message

    instance.report_runless_asset_event(dg.AssetMaterialization(["reddit", "dumps"], partition=name))
    second = look(workshop, instance, first.cursor)
    assert [run.job_name for run in second.run_requests] == ["reddit"]
    assert "no new dump" in look(workshop, instance, second.cursor).skip_reason.skip_message


def test_a_generator_that_is_new_in_the_settings_is_asked_and_then_the_corpus_refreshed(workshop):
    instance = dg.DagsterInstance.ephemeral()
    prompts, images = dg.AssetKey(["portraits", "prompts"]), dg.AssetKey(["portraits", "images"])
    wanted = workshop.settings.portraits.generators

    def look(cursor: str | None = None) -> dg.SensorResult:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"workshop": workshop})
        return schedules.portraits_generators(context)

    assert [run.job_name for run in look().run_requests] == ["portraits_prompts"]
    instance.report_runless_asset_event(dg.AssetMaterialization(prompts))
    first = look()
    assert [(run.job_name, run.partition_key) for run in first.run_requests] == [
        ("portraits_images", name) for name in wanted
    ]
    instance.add_dynamic_partitions(GENERATORS.name, wanted)
    assert "not made yet" in look(first.cursor).skip_reason.skip_message
    for name in wanted:
        instance.report_runless_asset_event(dg.AssetMaterialization(images, partition=name))
    second = look(first.cursor)
    assert [run.job_name for run in second.run_requests] == ["portraits"]
    assert "no new generator" in look(second.cursor).skip_reason.skip_message


def times_tried(error: Exception, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often an asset that raises is tried."""
    monkeypatch.setattr("assets.asset.RETRY", dg.RetryPolicy(max_retries=2, delay=0))
    tried = []

    @corpus_asset(group="test", kinds={"python"})
    def broken() -> None:
        """Fails."""
        tried.append(error)
        raise error

    ran = dg.materialize([broken], resources={"tables": dg.mem_io_manager}, raise_on_error=False)
    assert not ran.success
    return len(tried)


@pytest.mark.parametrize(
    ("error", "times"), [(OSError("network"), 3), (LedgerError("full"), 3), (BalanceError("no"), 1)]
)
def test_what_another_try_may_mend_is_tried_again_and_nothing_else(error, times, monkeypatch):
    assert times_tried(error, monkeypatch) == times
