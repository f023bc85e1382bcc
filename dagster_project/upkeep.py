"""corpusmith status, gc and doctor: where a home stands, what of it nobody uses, and what a machine lacks."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from corpusmith.dagster_project.terminal import (
    Debug,
    Home,
    Json,
    Profile,
    complete_corpus,
    complete_profile,
    home_of,
    out,
    plain,
    print_json,
    told,
    workshop_of,
)

MARKS = {"ok": "[green]✓[/]", "attention": "[yellow]![/]", "missing": "[red]✗[/]"}
SHOWN = 5  # reasons that are listed of a corpus in the table; with its name, and with --json, all of them


def status(
    corpus: Annotated[
        str | None,
        typer.Argument(
            help="One corpus, with its shelves of the ledger. Default: all.", autocompletion=complete_corpus
        ),
    ] = None,
    home: Home = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Whose settings a build would have. Default: as it was built.", autocompletion=complete_profile
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Each corpus: version, age, rows, checks, what is stale and why, what is running, failures that wait."""
    with told(debug):
        from corpusmith.assets import status as look

        place = home_of(home)
        if as_json:
            found = look.overview(place, profile, corpus) if corpus else look.status(place, profile)
            return print_json(found | ({"ledger": look.shelves(place, corpus)} if corpus else {}))
        found = look.overview(place, profile, corpus)
        _show_corpora(found)
        for one in found["corpora"]:
            _show_details(one, SHOWN if corpus is None else None)
        if found["dagster_elsewhere"]:
            out.print("Dagster keeps its runs in another database: what runs there is not shown here", soft_wrap=True)
        if corpus:
            _show_shelves(look.shelves(place, corpus), place)


def gc(
    corpora: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CORPUS]...", help="Default: all.", autocompletion=complete_corpus),
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="Of how many of the last versions of each corpus all stays.")] = 2,
    apply: Annotated[bool, typer.Option("--apply/--dry-run", help="Free it, or only say what would be.")] = False,
    home: Home = None,
    profile: Profile = "house",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Free what no release of the last versions uses: in the ledger, between the assets; releases stay."""
    with told(debug, go_on=True):
        from corpusmith.assets import gc as freeing
        from corpusmith.assets import registry, uses

        chosen = [registry.corpus_of(name) for name in dict.fromkeys(corpora or registry.corpora())]
        workshop = workshop_of(home, profile)
        every = {*registry.corpora(), *uses.corpora(workshop.home)}
        with (
            freeing.quiet(workshop.home, every)
            if apply
            else contextlib.nullcontext(freeing.busy(workshop.home, every)) as busy
        ):
            found = freeing.look(chosen, workshop, keep, busy)
            if apply:
                freeing.free(found, workshop.home)
        if as_json:
            parts = [{name: value for name, value in vars(part).items() if name != "remove"} for part in found.parts]
            said = {"freed": apply, "parts": parts, "busy": found.busy, "undecided": found.undecided}
            return print_json({**said, "unknown_rows": found.unknown, "elsewhere": found.elsewhere})
        _show_freed(found, apply, keep)


def doctor(
    profile: Annotated[
        str | None,
        typer.Option(
            help="Say what this profile needs, too: house, smoke, laptop or gpu.", autocompletion=complete_profile
        ),
    ] = None,
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What of Python, torch, GPU, disk, Hub, DVC, git and clock is here, and what a profile will need.

    Exits with 1 if something is missing that the profile needs.
    """
    with told(debug):
        from corpusmith.assets import doctor as examining

        place, models = home_of(home), None
        if profile:
            from corpusmith.assets import registry

            tables = {name: corpus.settings for name, corpus in registry.corpora().items()}
            house = [model.name for model in examining.named(registry.load(), tables)]
            models = examining.named(registry.load(profile=profile), tables, house)
        checks = examining.examine(place, models, profile)
        if as_json:
            print_json({"profile": profile, "checks": [dataclasses.asdict(check) for check in checks]})
        else:
            for check in checks:
                out.print(f"{MARKS[check.state]} {plain(check.what)}: {plain(check.said)}", soft_wrap=True)
        if any(check.state == "missing" for check in checks):
            raise typer.Exit(1)


def _show_corpora(found: dict[str, Any]) -> None:
    from corpusmith.assets.status import built_ago, checks_sentence

    columns = ("version", "newest version", "age", "rows", "rejected", "checks", "stale", "running", "failures")
    table = Table(Column("corpus", overflow="fold"), *columns, title=f"corpora in {plain(found['home'])}")
    for one in found["corpora"]:
        if one["version"] is None:
            cells = ["not built", one["newest"] or "", "", "", "", "", ""]
        else:
            checks = checks_sentence(one["checks"]).partition(";")[0]
            rejected = "" if one["rejected"] is None else f"{one['rejected']:,}"
            stale = "yes" if one["stale"] else "no"
            age = built_ago(one["built"])
            cells = [one["version"], one["newest"] or "", age, f"{one['rows']:,}", rejected, checks, stale]
        table.add_row(*map(plain, [one["corpus"], *cells, "yes" if one["running"] else "", one["failures"] or ""]))
    out.print(table)
    if all(one["version"] is None for one in found["corpora"]):
        out.print(f"nothing was released yet in {plain(found['home'])}: corpusmith build reddit", soft_wrap=True)


def _show_details(one: dict[str, Any], most: int | None) -> None:
    """A line for each reason why a corpus is stale, for what runs, what its checks broke and what was left out."""
    name = plain(one["corpus"])
    for reason in one["stale"][:most]:
        out.print(f"{name} is stale: {plain(reason)}", soft_wrap=True)
    if most is not None and len(one["stale"]) > most:
        out.print(f"{name} is stale: and {len(one['stale']) - most} more: corpusmith status {name}", soft_wrap=True)
    for broken in (one["checks"] or {"broken": []})["broken"]:
        out.print(f"{name}: in the last build this did not hold: {plain(broken['sentence'])}", soft_wrap=True)
    for run in one["runs"]:
        out.print(f"{name}: Dagster's {plain(run['job'])} is {plain(run['status'].lower())} ({plain(run['run'])})")
    if one["failures"]:
        out.print(f"{name}: rows that failed and wait for the next build: {one['failures']:,}", soft_wrap=True)
    for note in one["left_out"]:
        said = f"{one['corpus']}: {note['partition']} is left out until it changes: {note['error']}"
        out.print(plain(said), soft_wrap=True)


def _show_shelves(found: list[dict[str, Any]], home: Path) -> None:
    columns = ["rows", "failed", "rows/s at last run"]
    columns += ["prompt tokens", "answer tokens", "cost"] if any(shelf["took"] for shelf in found) else []
    shelves = Table(Column("maker", overflow="fold"), *columns, title=f"ledger of {plain(home)}")
    for shelf in found:
        rate = f"{shelf['rate']:,.0f}" if shelf["rate"] else ""
        took = [shelf["took"].get(name) for name in ("prompt_tokens", "completion_tokens", "cost")]
        tokens, cost = [f"{count:,}" if count else "" for count in took[:2]], f"{took[2]:,.2f}" if took[2] else ""
        cells = [f"{shelf['rows']:,}", str(shelf["failed"] or ""), rate, *tokens, cost]
        shelves.add_row(plain(shelf["fingerprint"]), *cells[: len(columns)])
    out.print(shelves)
    for shelf in found:
        for error in shelf["errors"]:
            said = f"{shelf['fingerprint']}: {error['rows']:,} failed: {error['error']}: {error['message']}"
            out.print(plain(said), soft_wrap=True)


def _show_freed(found: Any, apply: bool, keep: int) -> None:
    table = Table("corpus", Column("what", overflow="fold"), "rows", "MB")
    for part in found.parts:
        names, rows = plain(", ".join(part.corpora)), f"{part.rows:,}" if part.rows else ""
        table.add_row(names, plain(part.what), rows, f"{part.bytes / 1e6:,.1f}")
    if found.parts:
        out.print(table)
    for name in found.busy:
        out.print(f"{plain(name)} is being built: nothing of it, or of what it shares, is freed", soft_wrap=True)
    for release in found.undecided:
        said = f"it was not noted what {release} is made of, so nothing of the ledger is freed"
        out.print(plain(said), soft_wrap=True)
    if found.undecided:
        out.print("build it once more, or keep fewer versions (--keep)")
    for place in found.elsewhere:
        out.print(plain(f"no row of the ledger in {place} is freed: other homes may use it"), soft_wrap=True)
    if found.unknown:
        out.print(f"{found.unknown:,} rows of the ledger are of no noted use, and stay")
    rows, size = sum(part.rows for part in found.parts), sum(part.bytes for part in found.parts) / 1e6
    verb = "freed" if apply else "would be freed"
    out.print(f"[bold]{rows:,} rows and {size:,.1f} MB {verb}[/]; the last {keep} versions of each corpus stay")
    if found.parts and not apply:
        out.print("nothing was changed: --apply frees it")
