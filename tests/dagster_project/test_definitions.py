"""What Dagster sees: groups, owners and checks, runs with their pictures, the schedule, the inbox sensor, retries."""

from collections import Counter

import dagster as dg
import pytest

from corpusmith.assets import registry
from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project import automation
from corpusmith.dagster_project.definitions import definitions
from corpusmith.errors import BalanceError, LedgerError

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
    assert Counter(key.asset_key.path[0] for key in graph.asset_check_keys) == {
        "reddit": 33,
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
def test_every_corpus_is_refreshed_on_a_schedule(corpus):
    assert automation.schedule(corpus).job_name == corpus.name


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


@pytest.mark.parametrize(
    ("error", "times"), [(OSError("network"), 3), (LedgerError("full"), 3), (BalanceError("no"), 1)]
)
def test_what_another_try_may_mend_is_tried_again_and_nothing_else(error, times, monkeypatch):
    assert times_tried(error, monkeypatch) == times
