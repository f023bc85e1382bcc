"""corpusmith publish, pull and versions: hand a version on, and fetch one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpusmith.dagster_project.terminal import (
    Debug,
    Home,
    Json,
    complete_corpus,
    complete_release,
    home_of,
    out,
    plain,
    print_json,
    told,
    workshop_of,
)
from corpusmith.errors import UserError

if TYPE_CHECKING:
    from corpusmith.release.publish.places import Planned

PLACES = "a folder, s3://bucket/prefix, or hf://datasets/ORG/NAME"
SHOWN = 12
"""Files that a dry run lists at most."""


def publish(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS[@VERSION]",
            help="Without a version: the release in HOME/data.",
            autocompletion=complete_release,
        ),
    ],
    to: Annotated[
        str | None, typer.Option(help=f"{PLACES}. Default: the setting work.publish, else HOME/published.")
    ] = None,
    branch: Annotated[str | None, typer.Option(help="Of the Hub: commit to this branch, not to main.")] = None,
    pull_request: Annotated[
        bool, typer.Option("--pull-request", help="Of the Hub: open a pull request; the tag follows once it is merged.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Of the Hub: a repository that is made now is for everybody to see.")
    ] = False,
    allow_unknown_code: Annotated[
        bool, typer.Option("--allow-unknown-code", help="Publish what uncommitted code made; its manifest says so.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and what the card says.")] = False,
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Put a version where others pull it from: whole or not at all, once, and never changed after."""
    with told(debug, go_on=True):
        from corpusmith.assets import publishing
        from corpusmith.assets.registry import corpus_of
        from corpusmith.release import read
        from corpusmith.release.publish.places import Options

        name, version = _asked(corpus)
        made = corpus_of(name)
        workshop = workshop_of(home, corpus=made)
        options = Options(branch, pull_request, public)
        release = read.find(name, version, workshop.home) if version else workshop.release(name)
        if dry_run:
            planned = publishing.plan(made, workshop, to, options, release, allow_unknown_code)
            return _show(planned, release, as_json)
        place, new = publishing.publish(made, workshop, to, options, release, allow_unknown_code)
        if as_json:
            return print_json({"published": place, "new": new})
        said = "published" if new else "published already, nothing was written"
        out.print(f"{said}: {plain(place)}", soft_wrap=True)


def pull(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS[@VERSION]",
            help="Such as reddit, reddit@1.2.0, reddit@^1.2 or 'reddit@>=1.2,<2'; the newest of those.",
            autocompletion=complete_release,
        ),
    ],
    from_: Annotated[
        str | None,
        typer.Option("--from", help=f"{PLACES}, or a git repository with DVC. Default: as of publish."),
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be repeated.")] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these columns; of the others nothing is fetched.")
    ] = None,
    into: Annotated[Path | None, typer.Option(help="Default: HOME/pulled.")] = None,
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fetch a published version and prove every byte of it; cut off, the same command goes on."""
    with told(debug, go_on=True):
        from corpusmith.release.publish.pull import Wanted
        from corpusmith.release.publish.pull import pull as fetch

        place = home_of(home)
        name, version = _asked(corpus)
        parts = tuple(part.strip() for part in columns.split(",")) if columns is not None else ()
        if not all((*parts, *(split or ()))):
            raise UserError("--split and --columns: expected names, such as --split train --columns key,text")
        source = from_ or workshop_of(home).settings.work.publish or str(place / "published")
        wanted = Wanted(tuple(split or ()), tuple(dict.fromkeys(parts)))
        target = fetch(name, version, source.replace("{corpus}", name), into or place / "pulled", wanted)
        print_json({"pulled": str(target)}) if as_json else out.print(f"pulled: {plain(target)}", soft_wrap=True)


def versions(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", autocompletion=complete_corpus)],
    from_: Annotated[
        str | None, typer.Option("--from", help=f"{PLACES}, or a git repository with DVC. Default: this home.")
    ] = None,
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The versions of a corpus, the newest first, and where each lies."""
    with told(debug):
        from corpusmith.release.publish.pull import check_name
        from corpusmith.release.semver import numbers

        check_name(corpus)
        found = _there(corpus, from_) if from_ else _here(corpus, home_of(home))
        newest_first = sorted(found, key=numbers, reverse=True)
        if as_json:
            return print_json([{"version": version, "in": found[version]} for version in newest_first])
        if not found:
            raise UserError(f"no version of {corpus} in {from_ or home_of(home)}")
        for version in newest_first:
            out.print(f"{corpus} {version}  {plain(', '.join(found[version]))}", soft_wrap=True)


def _asked(corpus: str) -> tuple[str, str | None]:
    """The corpus and the version of ``reddit@1.2.0``. Raises UserError: nothing stands after the @."""
    name, at, version = corpus.partition("@")
    if at and not version:
        raise UserError(f"{corpus}: expected a version after the @, such as {name}@1.2.0")
    return name, version or None


def _there(corpus: str, address: str) -> dict[str, list[str]]:
    from corpusmith.release.publish.places import source_of

    return {version: [address] for version in source_of(address, corpus).versions(corpus)}


def _here(corpus: str, home: Path) -> dict[str, list[str]]:
    """Which places of a home hold each version."""
    from corpusmith.release import manifest, shelf

    found: dict[str, list[str]] = {}
    built = home / "data" / corpus
    if (built / manifest.NAME).is_file():
        found[manifest.read(built).version] = ["data"]
    for place in shelf.PLACES:
        for version in shelf.versions(home, corpus, (place,)):
            found.setdefault(version, []).append(place)
    return found


def _show(planned: Planned, release: Path, as_json: bool) -> None:
    """What publishing would do, and what the card would say of it to the Hub."""
    from corpusmith.release.publish.put import front_matter

    card = front_matter(release)
    if as_json:
        return print_json({**planned._asdict(), "card": card})
    if planned.exists:
        out.print(f"published already, nothing would be written: {plain(planned.place)}", soft_wrap=True)
        return
    out.print(f"[bold]{plain(planned.place)}[/]", soft_wrap=True)
    largest = sorted(planned.upload.items(), key=lambda item: -item[1])
    for name, size in largest[:SHOWN]:
        out.print(f"  upload  {size:>14,} bytes  {plain(name)}", soft_wrap=True)
    if len(largest) > SHOWN:
        out.print(f"  and {len(largest) - SHOWN:,} smaller files: --json lists them all")
    for name in planned.delete:
        out.print(f"  delete  {plain(name)}", soft_wrap=True)
    out.print(
        f"{len(planned.upload):,} files, {sum(planned.upload.values()):,} bytes to upload at the most; "
        f"{len(planned.there):,} files are there already"
    )
    for name in ("pretty_name", "license", "size_categories", "task_categories", "language", "tags"):
        value = card.get(name)
        said = ", ".join(map(str, value)) if isinstance(value, list) else value
        out.print(f"card: {name}: {plain(said)}", soft_wrap=True)
