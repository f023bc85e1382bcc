"""`corpusmith takedown`: rows that somebody asked to be gone, in a home, for good."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpusmith.assets.registry import corpus_of
from corpusmith.dagster_project.terminal import Debug, Home, Json, Name, home_of, out, plain, print_json, told

if TYPE_CHECKING:
    from corpusmith.assets.taken_down import Going

SHOWN = 20  # rows that are listed; --json has all


def takedown(
    corpus: Name,
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEYS", help="Keys of rows, kept or rejected.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the key, so it should name nobody.")] = "",
    source: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="All rows that come from this source; may be repeated.")
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option(metavar="HASH", help="All rows of this author; may be repeated.")
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="All rows with this very image; may be repeated.")
    ] = None,
    forget_set: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write what goes, and what stays, for unlearning.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; nothing is written.")] = False,
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Take rows down, and all that was made from them: never made, released or published again, and erased here."""
    with told(debug, go_on=True):
        from corpusmith.assets import taken_down
        from corpusmith.errors import UserError
        from corpusmith.release.forget import write_forget_set

        made, place = corpus_of(corpus), home_of(home)
        why = " ".join(reason.split())
        if not (why or dry_run):
            raise UserError("say why with --reason: it is all that is kept of a row beside its key and digests")
        with contextlib.nullcontext() if dry_run else _turn(place, corpus, as_json):
            going = taken_down.look(made, place, keys or [], source or [], author or [], image or [])
            said = _said(going)
            if not dry_run:
                if forget_set:
                    said |= {"forget_set": write_forget_set(place / "data" / corpus, going.rows["key"], forget_set)}
                said |= {"erased": taken_down.take_down(going, made, place, why)}
        if as_json:
            return print_json({"dry_run": dry_run, **said})
        _show(going, said, corpus, dry_run)
        if forget_set and not dry_run:
            counts = ", ".join(f"{name} {rows:,}" for name, rows in said["forget_set"].items())
            out.print(f"forget set: {counts} rows in {plain(forget_set)}", soft_wrap=True)


def _turn(home: Path, corpus: str, quiet: bool) -> contextlib.AbstractContextManager[Any]:
    """No build of the corpus, and no other takedown, at the same time: a second one waits."""
    from corpusmith.dagster_project.build import turn

    return turn(home, corpus, quiet)


def _said(going: Going) -> dict[str, Any]:
    """What goes, as plain data."""
    rows = going.rows["key"].sort().to_list()
    return {
        "named": [key for key in rows if key in going.named],
        "with_them": [key for key in rows if key not in going.named],
        "no_rows": sorted(going.alone),
        "already": sorted(going.already),
        "version": going.version,
        "still_in": [{"path": str(one.path), "version": one.version, "rows": one.rows} for one in going.still_in],
    }


def _show(going: Going, said: dict[str, Any], corpus: str, dry_run: bool) -> None:
    for key in said["already"]:
        out.print(f"{plain(key)} was taken down before")
    every = [*((key, "named") for key in said["named"]), *((key, "goes with it") for key in said["with_them"])]
    every += [(mark, "no row of the release") for mark in said["no_rows"]]
    for key, how in every[:SHOWN]:
        out.print(f"  {plain(key)}  {how}")
    if len(every) > SHOWN:
        out.print(f"  and {len(every) - SHOWN:,} more: --json lists them all")
    verb = "would go" if dry_run else "taken down"
    count = going.rows.height
    out.print(f"[bold]{count:,} rows of {corpus} {verb}[/], {len(said['with_them']):,} of them with others")
    for one in going.still_in:
        out.print(f"still in: {plain(one.path)} ({one.version}, {one.rows:,} rows)", soft_wrap=True)
    if dry_run:
        return
    out.print(f"erased from the ledger: {said['erased']:,} rows and failures, with whatever was seen in them")
    out.print(
        f"now: corpusmith release {corpus} --bump minor, or build where nothing was released; withdraw the others"
    )
