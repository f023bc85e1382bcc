"""The services of docker/compose.yaml as they stand in a test: what is asked of them, and what they answer."""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from processes import until
from project import ROOT

DOCKER = ROOT / "docker"
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}
# The instance as it is deployed, but for how long it waits between two looks.
HASTE = {
    "run_coordinator": {"config": {"dequeue_interval_seconds": 1}},
    "run_monitoring": {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 1},
}
LAUNCH = """mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = """query ($run: ID!) {
  runOrError(runId: $run) { ... on Run {
    runId status startTime endTime tags { key value } stepStats { stepKey startTime endTime } } } }"""
RETRIES = """query ($root: String!) {
  runsOrError(filter: {tags: [{key: "dagster/parent_run_id", value: $root}]}) { ... on Runs { results { runId } } } }"""


def read(name: str) -> Any:
    """A YAML file of docker/."""
    return yaml.safe_load((DOCKER / name).read_text())


def command_of_the_image() -> list[str]:
    """What a container of the image runs unless it is told otherwise."""
    return list(json.loads(re.findall(r"^CMD (\[.+\])$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)[-1]))


def health_check_of_the_image() -> list[str]:
    """How the image looks whether its container is well."""
    return list(json.loads(re.findall(r"^HEALTHCHECK .*CMD (\[.+\])$", (DOCKER / "Dockerfile").read_text(), re.M)[0]))


@dataclass(frozen=True)
class Deployment:
    """The services, up; ``project``: the folder that is mounted; ``ports``: here, by what they are in a container."""

    project: Path
    environment: Mapping[str, str]
    ports: Mapping[str, str]

    def here(self, line: list[str]) -> list[str]:
        """A command of a container, with what is elsewhere on this machine."""
        places = {"0.0.0.0": "127.0.0.1", "/dagster": self.environment["DAGSTER_HOME"], **self.ports}
        return [re.sub("|".join(map(re.escape, places)), lambda found: places[found.group()], word) for word in line]

    def run(self, *line: str) -> None:
        """A command in the container of the code location."""
        words = self.here(list(line))
        done = subprocess.run(
            words, env=self.environment, cwd=self.project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def ask(self, query: str, **variables: Any) -> Any:
        """What the web server answers to GraphQL."""
        address = f"http://127.0.0.1:{self.ports['3000']}/graphql"
        said = httpx.post(address, json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in said, said["errors"]
        return next(iter(said["data"].values()))

    def launch(self, job: str, location: str = "corpusmith") -> str:
        """The run that was queued, as the button of the UI does it."""
        where = {"jobName": job, "repositoryLocationName": location, "repositoryName": "__repository__"}
        said = self.ask(LAUNCH, params={"selector": where, "mode": "default"})
        assert said["__typename"] == "LaunchRunSuccess", said
        return str(said["run"]["runId"])

    def ended(self, run: str) -> dict[str, Any]:
        """A run, when it has ended: its status, its times and those of its steps, in seconds."""

        def finished() -> Any:
            found = self.ask(RUN, run=run)
            return found if found["status"] in FINISHED else None

        return dict(until(finished, f"run {run} ends"))

    def retried(self, run: str) -> str:
        """The run that was made of a run that died."""
        found = until(lambda: self.ask(RETRIES, root=run)["results"], f"run {run} is tried again")
        return str(found[0]["runId"])
