"""corpusmith release, diff and rollback: the versions of a corpus, what lies between two, and back to another."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from corpusmith.assets.registry import corpus_of
from corpusmith.dagster_project.terminal import (
    Debug,
    Home,
    Json,
    Name,
    Profile,
    Set,
    Source,
    complete_release,
    complete_version,
    home_of,
    out,
    plain,
    print_json,
    told,
    workshop_of,
)
from corpusmith.errors import UserError

SHOWN = 20
"""Rows of a table in the terminal at most; JSON has them all."""


class Bump(StrEnum):
    """Which part of a version is raised."""

    major = "major"
    minor = "minor"
    patch = "patch"


def release(
    corpus: Name,
    bump: Annotated[
        Bump | None,
        typer.Option(
            help="Which part of the version to raise: major: other columns, minor: other rows, patch: the rest."
        ),
    ] = None,
    dvc: Annotated[bool, typer.Option("--dvc", help="Commit it to DVC and git, and tag it CORPUS-vVERSION.")] = False,
    source: Source = None,
    home: Home = None,
    profile: Profile = "house",
    set_: Set = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Build a corpus and keep it as a version of its own, with what changed since the last one."""
    with told(debug, go_on=True):
        made = corpus_of(corpus)
        workshop = workshop_of(home, profile, set_, source, made)
        if dvc and set_:
            raise UserError("--dvc: the stage of dvc.yaml knows no --set: write the setting into params.yaml")
        from corpusmith.dagster_project import evolve

        done = evolve.release(made, workshop, bump, workshop.home if dvc else None, quiet=as_json)
        if as_json:
            found = {"diff": _said(done.found)} if done.found else {}
            return print_json({**{name: value for name, value in vars(done).items() if name != "found"}, **found})
        if not done.new:
            out.print(f"nothing changed since {corpus} {done.version}; no version was made")
        else:
            out.print(f"[bold]{corpus} {done.version}[/] is released: {plain(done.place)}", soft_wrap=True)
            if done.found:
                out.print(plain(done.found.sentence()), soft_wrap=True)
                out.print(_of_params(corpus, done.version, done.params), soft_wrap=True)
        if done.tag:
            out.print(f"git has the tag {done.tag}; dvc push and git push --tags hand it on")


def diff(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="A release folder, or CORPUS@VERSION.", autocompletion=complete_release)
    ],
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="Another one of the same corpus.", autocompletion=complete_release)
    ],
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What changed between two releases: schema, rows by key, counts, distributions, settings and scores."""
    with told(debug):
        from corpusmith.release.diff import diff as compare

        said = _said(compare(_release(old, home), _release(new, home)))
        if as_json:
            return print_json(said)
        out.print(plain(said.pop("sentence")), soft_wrap=True)
        for name in ("schema", "settings", "counts", "distributions", "categories", "scores"):
            _print(name, said[name])
        if said["files"]:
            out.print(f"other files that differ: {plain(', '.join(said['files']))}", soft_wrap=True)


def rollback(
    corpus: Name,
    version: Annotated[
        str, typer.Argument(help="Such as 1.0.0; one that was released.", autocompletion=complete_version)
    ],
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Let an earlier version be the current one in data/ again; no row is made."""
    with told(debug):
        made = corpus_of(corpus)
        workshop = workshop_of(home, corpus=made)
        from corpusmith.dagster_project import evolve

        found, there = evolve.rollback(made, workshop, version)
        place, asked = workshop.release(corpus), workshop.settings.of(corpus).version
        if as_json:
            said = {"version": version, "release": str(place), "from": str(found)}
            return print_json({**said, "changed": not there, "settings": asked})
        if there:
            out.print(f"{corpus} {version} is the current version already; nothing was done")
            return
        out.print(f"[bold]{corpus} {version}[/] is the current version again: {plain(place)}", soft_wrap=True)
        if asked == version:
            return
        out.print(
            f"the settings are not rolled back: params.yaml says {asked}, and corpusmith build {corpus} makes that, "
            "from what the ledger has; to go on from here, let params.yaml say what it said then",
            soft_wrap=True,
        )


def _release(named: str, home: Path | None) -> Path:
    """The folder of a release: itself, or ``CORPUS@VERSION``. Raises UserError: there is none."""
    from corpusmith.release import read

    corpus, at, version = named.partition("@")
    if not at or Path(named).exists():
        return Path(named)
    if not version:
        raise UserError(f"{named}: expected a version after the @, such as {corpus}@1.0.0")
    return read.find(corpus, version, home_of(home))


def _said(found: Any) -> dict[str, Any]:
    """A difference as plain data: only what differs."""
    import polars as pl

    moved = {name: getattr(found, name).filter(pl.col("delta") != 0) for name in ("counts", "categories", "scores")}
    tables = {
        "schema": found.schema,
        "settings": found.settings,
        "distributions": found.columns.filter(pl.col("effect").fill_null(1) > 0).sort("p", nulls_last=True),
        **moved,
    }
    numbers = ("old", "new", "added", "removed", "changed", "unchanged", "redrawn", "renamed", "files")
    counts = {name: getattr(found, name) for name in numbers}
    return {"sentence": found.sentence(), **counts, **{name: table.to_dicts() for name, table in tables.items()}}


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    """A table of what differs, the largest changes where there are many, without columns that say nothing."""
    if not rows:
        return
    first = rows if len(rows) <= SHOWN else sorted(rows, key=lambda row: -abs(row.get("delta") or 0))[:SHOWN]
    names = [name for name in rows[0] if any(row[name] is not None for row in first)]
    more = f" (the largest {SHOWN} of {len(rows):,}; --json has all)" if len(rows) > SHOWN else ""
    table = Table(*names, title=f"{title}{more}")
    for row in first:
        table.add_row(*(_cell(row[name]) for name in names))
    out.print(table)


def _cell(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
    return plain(value)


def _of_params(corpus: str, version: str, params: Path | None) -> str:
    if params:
        return f"{plain(params)} says {corpus}.version: {version} now"
    return (
        "the settings are the package's own and were not written: build it again with "
        f"--set {corpus}.version={version}, or in a folder with a params.yaml and a dvc.yaml of your own"
    )
