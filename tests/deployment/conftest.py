"""The deployment of docker/ without Docker: a PostgreSQL, and its services as processes that talk to it."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import postgresql
import pytest
import yaml
from dagster._grpc.client import DagsterGrpcClient
from deployed import Deployment, command_of_the_image, read
from processes import free_port, running, until
from project import CORPORA, ROOT, Project

POOLED = Path(__file__).with_name("pooled_assets.py")
# The instance as it is deployed, but for how long it waits between two looks.
HASTE = {
    "run_coordinator": {"config": {"dequeue_interval_seconds": 1}},
    "run_monitoring": {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 1},
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[dict[str, str]]:
    """What dagster.yaml wants to know of a PostgreSQL server that runs meanwhile."""
    programs = postgresql.installed()
    if programs is None:
        pytest.skip("there is no PostgreSQL here: apt-get install postgresql (.ci/run does it where it is root)")
    with postgresql.server(programs) as found:
        yield found


@pytest.fixture(scope="module")
def deployment(postgres: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Code location, web server and daemon of compose.yaml with a project of numbers, and a second code location."""
    folder = tmp_path_factory.mktemp("deployment")
    dagster = folder / "dagster"
    dagster.mkdir()
    project = Project(folder / "project")
    environment = {
        **os.environ,
        **postgres,
        "CORPUSMITH_HOME": str(folder / "home"),
        "DAGSTER_HOME": str(dagster),
        "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(CORPORA)]),
    }
    ports = {"3000": str(free_port()), "4000": str(free_port())}
    deployed, other = Deployment(project.folder, environment, ports), str(free_port())
    instance = {name: said | HASTE.get(name, {}) for name, said in read("dagster.yaml").items()}
    (dagster / "dagster.yaml").write_text(yaml.safe_dump(instance))
    server = read("workspace.yaml")["load_from"][0]["grpc_server"]
    here = [{**server, "host": "127.0.0.1", "port": int(ports["4000"])}]
    here.append({"host": "127.0.0.1", "port": int(other), "location_name": "pooled"})
    (dagster / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": said} for said in here]}))

    services = read("compose.yaml")["services"]
    pooled = ["dagster", "api", "grpc", "--port", other, "--python-file", str(POOLED)]
    with contextlib.ExitStack() as stack:
        started = {}

        def start(name: str, line: list[str]) -> None:
            log = folder / f"{name}.log"
            started[name] = stack.enter_context(running(deployed.here(line), log, environment, at=project.folder))

        def up(answers: bool) -> bool:
            """Whether it answers. Raises AssertionError where a service has ended: it never will."""
            for name, process in started.items():
                assert process.poll() is None, (folder / f"{name}.log").read_text()[-3000:]
            return answers

        start("code", command_of_the_image())
        start("pooled", pooled)
        for port in (ports["4000"], other):
            until(lambda port=port: up(_serves(int(port))), f"the code location at {port} is loaded; {folder}")
        for name in ("webserver", "daemon"):
            start(name, services[name]["command"])
        until(lambda: up(_answers(ports["3000"])), f"the web server answers; {folder}")
        yield deployed
        up(True)
        for process in started.values():
            process.send_signal(signal.SIGINT)


def _serves(port: int) -> bool:
    return DagsterGrpcClient(port=port, host="127.0.0.1").health_check_query() == "SERVING"


def _answers(port: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/server_info").is_success
    except httpx.TransportError:
        return False
