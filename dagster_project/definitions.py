"""Everything that Dagster sees: assets, checks, jobs, the schedule and the sensor, with the resources of one home."""

import os
from typing import Any

import dagster as dg

from assets.portraits import card as portraits_card
from assets.portraits import checks as portraits_checks
from assets.portraits import graph as portraits
from assets.reddit import card as reddit_card
from assets.reddit import checks as reddit_checks
from assets.reddit import graph as reddit
from assets.resources import Workshop
from corpusmith.settings import default_home, load
from dagster_project import schedules
from dagster_project.tables import Tables


def definitions(workshop: Workshop, loggers: dict[str, Any] | None = None) -> dg.Definitions:
    """The definitions of a home and its settings."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([reddit, portraits]),
        asset_checks=[reddit_checks.reddit_holds, portraits_checks.portraits_holds],
        jobs=schedules.JOBS,
        schedules=[schedules.reddit_weekly],
        sensors=[schedules.reddit_inbox, schedules.portraits_generators],
        resources={"workshop": workshop, "tables": tables(workshop)},
        loggers=loggers,
        executor=dg.in_process_executor,
    )


def tables(workshop: Workshop) -> Tables:
    """Where the tables between assets lie."""
    cards = {"reddit": reddit_card.CARD, "portraits": portraits_card.CARD}
    sentences = {corpus: dict(card.columns) for corpus, card in cards.items()}
    return Tables(base_dir=str(workshop.home / ".corpusmith" / "tables"), sentences=sentences)


def default_workshop() -> Workshop:
    """The home and settings of `dagster dev`: from CORPUSMITH_HOME and CORPUSMITH_PROFILE."""
    return Workshop(default_home(), load(profile=os.environ.get("CORPUSMITH_PROFILE", "house")))


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev` and `dg` load: the corpora, and the recipes of the house models (which import torch)."""
    from assets.house import graph as house

    models = dg.Definitions(assets=dg.load_assets_from_modules([house]), jobs=house.JOBS)
    return dg.Definitions.merge(definitions(default_workshop()), models)
