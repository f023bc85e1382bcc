"""A code location whose assets hold a card: two that must not at once, two that want to, one that is killed."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import dagster as dg

MARKS = Path(os.environ["DAGSTER_HOME"]) / "marks"
OTHER = {"left": "right", "right": "left"}
PATIENCE = 240


def leave(mark: str) -> bool:
    """Say that something has begun; whether it is for the first time."""
    MARKS.mkdir(exist_ok=True)
    first = not (MARKS / mark).exists()
    (MARKS / mark).touch()
    return first


def await_mark(mark: str) -> None:
    """Wait for what another process leaves. Raises TimeoutError."""
    ends = time.monotonic() + PATIENCE
    while not (MARKS / mark).exists():
        if time.monotonic() > ends:
            raise TimeoutError(f"{mark} has not begun within {PATIENCE} s")
        time.sleep(0.1)


def drawing(name: str) -> list[dg.AssetsDefinition]:
    """A plan, which needs no card, and what is drawn of it: it holds the card until the other run is under way, too."""

    @dg.asset(name=f"{name}_plan")
    def plan() -> None:
        leave(f"{name}_plan")

    @dg.asset(name=f"{name}_drawn", deps=[plan], pool="gpu")
    def drawn() -> None:
        await_mark(f"{OTHER[name]}_plan")
        time.sleep(1)

    return [plan, drawn]


def meeting(name: str) -> dg.AssetsDefinition:
    """It is made only while the other one is."""

    @dg.asset(name=f"{name}_met", pool="gpu")
    def met() -> None:
        leave(f"{name}_met")
        await_mark(f"{OTHER[name]}_met")

    return met


@dg.asset(pool="gpu")
def dies_once() -> None:
    """Its process is killed the first time that it is made."""
    if leave("dies_once"):
        os.kill(os.getpid(), signal.SIGKILL)


def jobs(name: str) -> list[Any]:
    drawn = dg.AssetSelection.assets(f"{name}_plan", f"{name}_drawn")
    return [dg.define_asset_job(f"draw_{name}", drawn), dg.define_asset_job(f"meet_{name}", f"{name}_met")]


defs = dg.Definitions(
    assets=[dies_once, *(asset for name in OTHER for asset in (*drawing(name), meeting(name)))],
    jobs=[dg.define_asset_job("die", [dies_once]), *(job for name in OTHER for job in jobs(name))],
    executor=dg.in_process_executor,  # as in corpusmith.dagster_project.definitions
)
