"""Everything that Dagster sees of every corpus: assets, checks, jobs, schedules, sensors, and what they are handed."""

import os
from typing import Any

import dagster as dg

from corpusmith.assets import derived, registry
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project import automation, jobs
from corpusmith.dagster_project.tables import Tables
from corpusmith.settings import default_home


def definitions(workshop: Workshop, loggers: dict[str, Any] | None = None) -> dg.Definitions:
    """The definitions of a home and its settings."""
    corpora = list(registry.corpora().values())
    sensors = [automation.sensor(corpus) for corpus in corpora]
    return dg.Definitions(
        assets=[asset for corpus in corpora for asset in derived.all_assets_of(corpus)],
        asset_checks=[derived.checks(corpus) for corpus in corpora],
        jobs=[job for corpus in corpora for job in jobs.jobs(corpus)],
        schedules=[automation.schedule(corpus) for corpus in corpora],
        sensors=[sensor for sensor in sensors if sensor],
        resources={"workshop": workshop, "tables": tables(workshop)},
        loggers=loggers,
        executor=dg.in_process_executor,
    )


def tables(workshop: Workshop) -> Tables:
    """Where the tables between assets lie, with a sentence for each column of each corpus."""
    sentences = {name: dict(corpus.card(workshop).columns) for name, corpus in registry.corpora().items()}
    return Tables(base_dir=str(workshop.home / ".corpusmith" / "tables"), sentences=sentences)


def default_workshop() -> Workshop:
    """The home and settings of `dagster dev`: from CORPUSMITH_HOME and CORPUSMITH_PROFILE."""
    return Workshop(default_home(), registry.load(profile=os.environ.get("CORPUSMITH_PROFILE", "house")))


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev` and `dg` load: the corpora, and the recipes of the house models (which import torch)."""
    from corpusmith.assets.house import graph as house

    models = dg.Definitions(assets=dg.load_assets_from_modules([house]), jobs=house.JOBS)
    return dg.Definitions.merge(definitions(default_workshop()), models)
