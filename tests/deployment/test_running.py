"""What docker/ deploys works: its own commands and instance, run beside a real PostgreSQL."""

from pathlib import Path
from typing import Any

import dagster
import httpx
import polars as pl
import pytest
from deployed import Deployment, health_check_of_the_image, read

pytestmark = pytest.mark.xdist_group("deployment")
MADE = "query ($path: [String!]!) { assetNodes(assetKeys: [{path: $path}]) { assetMaterializations { runId } } }"


def both(deployment: Deployment, *jobs: str) -> list[dict[str, Any]]:
    """Two runs that were queued at once, when they have ended."""
    ended = [deployment.ended(run) for run in [deployment.launch(job, "pooled") for job in jobs]]
    assert [run["status"] for run in ended] == ["SUCCESS", "SUCCESS"]
    return ended


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether there was a moment in both."""
    return max(one["startTime"], other["startTime"]) < min(one["endTime"], other["endTime"])


def test_the_web_server_says_which_dagster_it_is(deployment: Deployment) -> None:
    said = httpx.get(f"http://127.0.0.1:{deployment.ports['3000']}/server_info").json()
    assert said["dagster_version"] == dagster.__version__


def test_what_a_command_makes_is_recorded_in_postgresql_and_seen_in_the_ui(deployment: Deployment) -> None:
    module = ("--module-name", "corpusmith.dagster_project.definitions")
    deployment.run("dagster", "asset", "materialize", "--select", "numbers/plan", *module)
    [node] = deployment.ask(MADE, path=["numbers", "plan"])
    assert deployment.ended(node["assetMaterializations"][0]["runId"])["status"] == "SUCCESS"


def test_the_daemon_makes_a_queued_run_of_a_corpus_in_the_code_location(deployment: Deployment) -> None:
    assert deployment.ended(deployment.launch("numbers_plan"))["status"] == "SUCCESS"
    made = Path(deployment.environment["CORPUSMITH_HOME"]) / ".corpusmith" / "tables" / "numbers" / "plan.parquet"
    assert pl.read_parquet(made)["n"].to_list() == list(range(1, 31))


def test_two_runs_at_once_never_share_the_one_card(deployment: Deployment) -> None:
    left, right = both(deployment, "draw_left", "draw_right")
    assert overlap(left, right), "one was under way while the other held the card"
    drawn = [step for run in (left, right) for step in run["stepStats"] if step["stepKey"].endswith("_drawn")]
    assert not overlap(*drawn)


def test_a_run_whose_process_dies_gives_the_card_back_and_is_tried_again(deployment: Deployment) -> None:
    died = deployment.launch("die", "pooled")
    assert deployment.ended(died)["status"] == "FAILURE"
    assert deployment.ended(deployment.retried(died))["status"] == "SUCCESS"


def test_two_cards_are_held_at_once_after_the_command_of_the_manual(deployment: Deployment) -> None:
    deployment.run("dagster", "instance", "concurrency", "set", "gpu", "2")
    assert overlap(*both(deployment, "meet_left", "meet_right"))


@pytest.mark.parametrize("service", ["code", "webserver", "daemon"])
def test_a_service_that_is_up_passes_its_health_check(deployment: Deployment, service: str) -> None:
    said = read("compose.yaml")["services"][service].get("healthcheck")
    deployment.run(*(said["test"][1:] if said else health_check_of_the_image()))


def test_the_storage_is_migrated_by_the_command_of_the_manual(deployment: Deployment) -> None:
    deployment.run("dagster", "instance", "migrate")


def test_no_service_says_the_password(deployment: Deployment) -> None:
    logs = list(deployment.project.parent.glob("*.log"))
    assert {log.stem for log in logs} == {"code", "pooled", "webserver", "daemon"}
    assert not [log.name for log in logs if deployment.environment["POSTGRES_PASSWORD"] in log.read_text()]
