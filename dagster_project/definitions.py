"""Everything that Dagster sees of every corpus: assets, checks, jobs, schedules, sensors, and what they are handed."""

import os
from typing import Any

import dagster as dg

from corpusmith.assets import derived, registry
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project import automation, hooks, jobs
from corpusmith.dagster_project.instance import tell_what_there_is
from corpusmith.dagster_project.tables import Tables
from corpusmith.settings import default_home


def definitions(workshop: Workshop, loggers: dict[str, Any] | None = None) -> dg.Definitions:
    """The definitions of a home and its settings."""
    corpora = list(registry.corpora().values())
    return dg.Definitions(
        assets=[asset for corpus in corpora for asset in derived.all_assets_of(corpus)],
        asset_checks=[derived.checks(corpus) for corpus in corpora],
        jobs=[job for corpus in corpora for job in jobs.jobs(corpus)],
        schedules=[schedule for corpus in corpora for schedule in automation.schedules(corpus)],
        sensors=[hooks.failed_runs, *(sensor for corpus in corpora for sensor in automation.sensors(corpus))],
        resources={"workshop": workshop, "tables": tables(workshop)},
        loggers=loggers,
        executor=dg.in_process_executor,
    )


def tables(workshop: Workshop) -> Tables:
    """Where the tables between assets lie, with a sentence for each column of each corpus."""
    sentences = {name: dict(corpus.card(workshop).columns) for name, corpus in registry.corpora().items()}
    return Tables(base_dir=str(workshop.home / ".corpusmith" / "tables"), sentences=sentences)


def default_workshop() -> Workshop:
    """The home and settings of `dagster dev`: from CORPUSMITH_HOME and CORPUSMITH_PROFILE. Its runs name versions."""
    profile = os.environ.get("CORPUSMITH_PROFILE", "house")
    return Workshop(default_home(), registry.load(profile=profile), automatic=True, profile=profile)


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev` and `dg` load: the corpora, and the recipes of the house models (which import torch)."""
    from corpusmith.assets.house import graph as house

    workshop = default_workshop()
    tell_what_there_is(workshop)
    models = dg.Definitions(assets=dg.load_assets_from_modules([house]), jobs=house.JOBS)
    return dg.Definitions.merge(definitions(workshop), models)
