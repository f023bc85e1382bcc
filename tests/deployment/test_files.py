"""The files of docker/ fit each other, the package and Dagster; images are not built here, so each claim is read."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from deployed import DOCKER, command_of_the_image, health_check_of_the_image, read
from project import ROOT

COMPOSE, INSTANCE, HELM = read("compose.yaml"), read("dagster.yaml"), read("helm-values.yaml")
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
DOCKERFILE = (DOCKER / "Dockerfile").read_text().replace("\\\n", "")
ENVIRONMENT = dict(
    re.findall(r"(\w+)=(\S+)", next(line for line in DOCKERFILE.splitlines() if line.startswith("ENV ")))
)
EXAMPLE = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", (DOCKER / "example.env").read_text(), re.MULTILINE))
SECRETS = ("POSTGRES_PASSWORD", "HF_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Where what is mounted: by the folder in the container."""
    parted = [re.sub(r"\$\{.*?\}", "project", volume).split(":") for volume in service["volumes"]]
    return {target: source for source, target, *_ in parted}


def variables(said: Any) -> set[str]:
    """Every environment variable that a configuration of Dagster's names."""
    if isinstance(said, dict):
        named = {said["env"]} if "env" in said else set()
        return named.union(*map(variables, said.values()))
    return set()


def snake(said: Any) -> Any:
    """The values of a Helm chart as dagster.yaml names them."""
    if not isinstance(said, dict):
        return said
    return {
        re.sub("([A-Z])", lambda found: f"_{found.group().lower()}", name): snake(value) for name, value in said.items()
    }


@pytest.mark.parametrize("path", sorted(DOCKER.glob("*.yaml")), ids=lambda path: path.name)
def test_a_file_says_nothing_twice_and_no_secret(path: Path) -> None:
    text = path.read_text()
    assert isinstance(yaml.safe_load(text), dict)
    tops = re.findall(r"^([\w-]+):", text, re.MULTILINE)
    assert len(tops) == len(set(tops))
    told = re.findall(r"(?i)(?:password|token|secret_access_key): (.+)", text)
    assert all(value.startswith(("${", "&password ${", "*password", "{env: ")) for value in told)


def test_dagster_accepts_the_instance() -> None:
    accepted, _ = dagster_instance_config(str(DOCKER))
    assert accepted["concurrency"]["pools"] == {"granularity": "op", "default_limit": 1}
    assert accepted["telemetry"] == accepted["nux"] == {"enabled": False}


def test_the_workspace_names_the_code_location_of_compose_at_the_port_of_the_image() -> None:
    [server] = [said["grpc_server"] for said in read("workspace.yaml")["load_from"]]
    assert "command" not in SERVICES[server["host"]], "it runs what the image runs"
    command, port = command_of_the_image(), str(server["port"])
    assert command[command.index("--port") + 1] == port
    assert health_check_of_the_image()[-1] == port
    assert f"\nEXPOSE {port}\n" in DOCKERFILE
    module = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dagster"]["module_name"]
    [deployed] = HELM["dagster-user-deployments"]["deployments"]
    assert command[-2:] == deployed["codeServerArgs"] == ["--module-name", module]


def test_every_service_is_given_what_the_instance_asks_for() -> None:
    for service in OURS.values():
        assert variables(INSTANCE) <= set(service["environment"])
    assert OURS["code"]["environment"]["POSTGRES_HOST"] in SERVICES


def test_compose_asks_for_nothing_that_the_example_does_not_name() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    assert asked <= set(EXAMPLE)
    assert not [name for name in SECRETS if EXAMPLE[name]]


def test_compose_keeps_what_must_last_and_gives_each_service_the_instance() -> None:
    home = ENVIRONMENT["DAGSTER_HOME"]
    for service in OURS.values():
        assert {f"{home}/dagster.yaml", f"{home}/workspace.yaml", f"{home}/storage"} <= set(mounts(service))
    code = mounts(OURS["code"])
    kept = [code[ENVIRONMENT["CORPUSMITH_HOME"]], code[ENVIRONMENT["HF_HOME"]], code[f"{home}/storage"]]
    assert {*kept, *mounts({"volumes": SERVICES["postgres"]["volumes"]}).values()} == set(COMPOSE["volumes"])
    made = next(line for line in DOCKERFILE.splitlines() if line.startswith("RUN useradd"))
    assert all(f" {folder}" in made for folder in code if not folder.endswith(".yaml")), "they are the user's own"
    for source in mounts(OURS["daemon"]).values():
        assert not source.startswith("./") or (DOCKER / source).is_file()


def test_a_card_is_for_the_service_in_which_the_runs_are() -> None:
    assert INSTANCE["run_launcher"]["class"] == "DefaultRunLauncher"
    assert list(read("compose.gpu.yaml")["services"]) == ["code"]


def test_the_chart_is_told_what_compose_is_told() -> None:
    daemon = snake(HELM["dagsterDaemon"])
    assert daemon["run_monitoring"] == INSTANCE["run_monitoring"]
    assert daemon["run_retries"] == INSTANCE["run_retries"]
    assert daemon["run_coordinator"]["type"] == INSTANCE["run_coordinator"]["class"]
    pools = snake(HELM["concurrency"]["pools"])
    assert pools["granularity"] == INSTANCE["concurrency"]["pools"]["granularity"]
    assert HELM["postgresql"]["postgresqlScheme"] == INSTANCE["storage"]["postgres"]["postgres_db"]["scheme"]
    ticks = snake(HELM["retention"]["sensor"])["purge_after_days"]
    assert INSTANCE["retention"]["sensor"]["purge_after_days"].items() <= ticks.items()


def test_the_chart_gives_every_run_a_card_and_the_folders_of_the_image() -> None:
    launcher = HELM["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    assert launcher["containerConfig"]["resources"]["limits"] == {"nvidia.com/gpu": 1}
    [deployed] = HELM["dagster-user-deployments"]["deployments"]
    claimed = {volume["name"] for volume in deployed["volumes"]}
    assert {mount["name"] for mount in deployed["volumeMounts"]} == claimed
    for name in ("CORPUSMITH_HOME", "HF_HOME"):
        assert deployed["env"][name] == ENVIRONMENT[name]
        assert ENVIRONMENT[name] in [mount["mountPath"] for mount in deployed["volumeMounts"]]


def test_the_image_installs_what_the_package_asks_for(tmp_path: Path) -> None:
    [command] = [line.removeprefix("RUN ") for line in DOCKERFILE.splitlines() if line.startswith("RUN python")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    line = command.replace("/requirements.txt", str(tmp_path / "requirements.txt"))
    subprocess.run(["sh", "-c", line], cwd=ROOT, env={**os.environ, "PATH": path}, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    installed = (tmp_path / "requirements.txt").read_text().splitlines()
    assert installed == project["dependencies"] + extras["postgres"] + extras["s3"]


def test_the_image_is_made_from_what_the_wheel_needs_and_nothing_else() -> None:
    taken = set(re.findall(r"^!(\S+)$", (DOCKER / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert "\n*\n" in (DOCKER / "Dockerfile.dockerignore").read_text(), "all else stays out"
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = said["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        *wheel["only-include"],
        *wheel["force-include"],
        said["project"]["readme"],
        *said["project"]["license-files"],
    }
    assert taken == needed | {"pyproject.toml", "constraints.txt"}
    assert all((ROOT / name).exists() for name in taken)


def test_the_image_runs_as_somebody_who_is_not_root_and_names_no_registry() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    assert re.findall(r"^USER (\w+)$", stages[-1], re.MULTILINE) == ["corpusmith"]
    assert "://" not in DOCKERFILE
    assert stages[-1].index("USER") < stages[-1].index("\nCMD")


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.gpu.yaml"]], ids=len)
def test_compose_itself_accepts_the_files(files: list[str]) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed here")
    named = [word for name in files for word in ("-f", str(DOCKER / name))]
    line = [docker, "compose", "--env-file", str(DOCKER / "example.env"), *named, "config", "--quiet"]
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, env={**os.environ, "POSTGRES_PASSWORD": "x"}
    )
    assert done.returncode == 0, done.stderr
