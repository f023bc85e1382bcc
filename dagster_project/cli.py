"""The command line: build, preview, validate, verify, publish and pull; the rest is in the files beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

import corpusmith
from corpusmith.assets.registry import corpus_of
from corpusmith.dagster_project import annotate, models, projects, sharing, takedowns, upkeep, versions
from corpusmith.dagster_project.terminal import (
    Debug,
    Home,
    Json,
    Name,
    Profile,
    Set,
    Source,
    home_of,
    out,
    plain,
    print_json,
    told,
    workshop_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from corpusmith.assets.corpus import Corpus
    from corpusmith.assets.play import Step
    from corpusmith.models.text.estimate import Expected

app = typer.Typer(
    help="Synthetic corpora you can trust: every row is made once, on purpose, and can be made again.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
MADE_OTHERWISE = 3  # the exit code of rows that differ, and were made on other hardware
app.add_typer(annotate.app, name="annotate")
app.add_typer(models.app, name="models")


@app.command()
def build(
    corpus: Name,
    source: Source = None,
    home: Home = None,
    profile: Profile = "house",
    set_: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made, how long it takes, what it costs.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a corpus: what the ledger has already is not made again."""
    with told(debug, go_on=True):
        made = corpus_of(corpus)
        workshop = workshop_of(home, profile, set_, source, made)
        if dry_run:
            from corpusmith.assets.play import steps

            return _show_steps(steps(made, workshop), as_json)
        from corpusmith.dagster_project.build import build as make

        built = make(made, workshop, quiet=as_json)
        if as_json:
            return print_json(built)
        release, report = plain(built["release"]), plain(built["report"])
        out.print(f"[bold]{corpus} {built['version']}[/]: {built['rows']:,} rows in {release}", soft_wrap=True)
        out.print(f"look at it:  {report}", soft_wrap=True)
        out.print(f'load it:     datasets.load_dataset("{release}")', soft_wrap=True)


@app.command()
def preview(
    corpus: Name,
    source: Source = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows of each kind to show.")] = 5,
    home: Home = None,
    profile: Profile = "house",
    set_: Set = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """A handful of rows through every step, in the terminal and as a page; nothing is released."""
    with told(debug):
        from corpusmith.assets.samples import said, write_page
        from corpusmith.dagster_project.build import check_writable

        made = corpus_of(corpus)
        workshop = workshop_of(home, profile, set_, source, made)
        check_writable(workshop.home)
        samples = made.preview(workshop, rows)
        page = write_page(made, workshop, samples)
        told_of = samples.drop("image", strict=False).to_dicts()
        if as_json:
            return print_json({"page": str(page), "rows": told_of})
        for sample in told_of:
            mark = "[green]kept[/]" if sample["verdict"] == "kept" else f"[red]{plain(', '.join(sample['reasons']))}[/]"
            out.print(f"[bold]{plain(sample['origin'])}[/] {plain(said(sample)) or 'not judged'}  {mark}")
            out.print(f"  {plain(sample.get('text'))}", soft_wrap=True)
        out.print(f"the page: {plain(page)}", soft_wrap=True)


@app.command()
def validate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A release folder, such as data/reddit.")],
    docs: Annotated[Path | None, typer.Option(help="Where to write the Data Docs. Default: DIR-docs.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a release against its corpus's expectations; names the rows that fail and writes Data Docs."""
    with told(debug):
        directory = directory.resolve()
        target = docs or directory.with_name(f"{directory.name}-docs")
        from corpusmith.release.folder import check_folder
        from corpusmith.validation import validate_release

        check_folder(target)
        report = validate_release(_corpus_in(directory).suite, directory, target)
        if as_json:
            results = [dataclasses.asdict(result) for result in report.results]
            print_json({"success": report.success, "docs": str(target), "results": results})
        else:
            for result in report.results:
                mark = "[green]✓[/]" if result.success else "[red]✗[/]"
                failed = result.keys and not result.success
                keys = f": {result.failing} rows, {plain(', '.join(result.keys))}" if failed else ""
                sentence = result.sentence.rstrip(".") if keys else result.sentence
                out.print(f"{mark} {plain(sentence)}{keys}")
            out.print(f"Data Docs: {plain(target / 'index.html')}", soft_wrap=True)
        if not report.success:
            raise typer.Exit(1)


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A release folder, such as data/reddit.")],
    regenerate: Annotated[int, typer.Option(min=0, help="Make so many rows anew and compare.")] = 0,
    home: Home = None,
    source: Source = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Open this model too, which only the release names.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check that no file of a release changed, that every key is right, and that its settings make its rows again.

    Exits with 1 if a row that was made anew does not match, and with 3 if it does not but the release was made on
    another kind of hardware (device or number type), which explains it.
    """
    with told(debug):
        from corpusmith.release import verify as verifying

        corpus = _corpus_in(directory)
        checked = verifying.check_files(directory)
        found: dict[str, Any] = dataclasses.asdict(checked)
        if regenerate:
            from corpusmith.assets.released import as_released
            from corpusmith.release import manifest

            here = workshop_of(home, source=source, corpus=corpus)
            workshop = as_released(corpus, here, manifest.read(directory), allow or ())
            report = verifying.regenerate(directory, regenerate, corpus.remaker(workshop))
            found |= report.summary()
        if as_json:
            print_json(found)
        else:
            images = f", {checked.images:,} images right" if checked.images else ""
            out.print(f"{checked.files} files unchanged, {checked.keys:,} keys right{images}")
            if regenerate:
                for line in report.sentence().split("\n"):
                    out.print(plain(line))
        if regenerate and report.different:
            raise typer.Exit(MADE_OTHERWISE if report.elsewhere else 1)


@app.command("export")
def export(
    corpus: Name,
    to: Annotated[Path, typer.Option("--to", help="An empty or new folder.")],
    layout: Annotated[
        str | None, typer.Option("--format", help="The layout; of edits: diffseg, of imagenet: imagefolder.")
    ] = None,
    tar: Annotated[
        bool, typer.Option("--tar", help="Tar shards, as WebDataset reads them, instead of folders.")
    ] = False,
    release: Annotated[Path | None, typer.Option("--from", help="A release folder; default: the home's.")] = None,
    home: Home = None,
    debug: Debug = False,
) -> None:
    """Write a release in a layout of other people's."""
    with told(debug):
        made = corpus_of(corpus)
        write = _layout("export", corpus, layout, made.exports)
        count = write(release or home_of(home) / "data" / corpus, to, tar)
        out.print(f"{count:,} rows in {plain(str(to))}", soft_wrap=True)


@app.command("import")
def import_(
    corpus: Name,
    folder: Annotated[Path, typer.Argument(help="What somebody else made.")],
    layout: Annotated[str | None, typer.Option("--format", help="The layout; of edits: triples or diffseg.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="The release's folder; default: imported/ in the home.")
    ] = None,
    home: Home = None,
    profile: Profile = "house",
    set_: Set = None,
    debug: Debug = False,
) -> None:
    """Read somebody else's corpus as a release: normalised, measured, validated and scored like ours."""
    with told(debug):
        made = corpus_of(corpus)
        read = _layout("import", corpus, layout, made.imports)
        workshop = workshop_of(home, profile, set_, None, made)
        into = to or workshop.home / "imported" / folder.resolve().name
        imported = read(workshop, folder, into)
        from corpusmith.validation import validate_release

        report = validate_release(made.suite, into)
        broken = [result for result in report.results if not result.success]
        out.print(f"[bold]{imported.counts['rows']:,} rows[/] in {plain(str(into))}", soft_wrap=True)
        for source in imported.sources:
            for note in source["notes"]:
                out.print(f"  {plain(note)}", soft_wrap=True)
        out.print(f"{len(report.results) - len(broken)} of {len(report.results)} expectations hold", soft_wrap=True)
        for result in broken:
            out.print(f"  [red]✗[/] {result.name}: {plain(result.sentence)}", soft_wrap=True)


for command in (
    sharing.publish,
    sharing.pull,
    sharing.versions,
    versions.release,
    versions.diff,
    versions.rollback,
    upkeep.status,
    upkeep.gc,
    upkeep.doctor,
):
    app.command()(command)
app.command()(takedowns.takedown)
app.command()(projects.init)


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Every row is made once, on purpose, and can be made again."""
    if version:
        out.print(corpusmith.__version__)
        raise typer.Exit


def _layout(kind: str, corpus: str, named: str | None, layouts: Mapping[str, Any]) -> Any:
    """The layout of a name, the first one where none is said. Raises UserError: there is none of that name."""
    from corpusmith.errors import UserError

    name = named or next(iter(layouts), None)
    if name not in layouts:
        if name is None:
            raise UserError(f"{corpus} has no {kind}s")
        raise UserError(f"{corpus} has no {kind} {plain(name)!r}: expected one of {', '.join(layouts)}")
    return layouts[name]


def _corpus_in(directory: Path) -> Corpus:
    """The corpus that a release folder is of."""
    from corpusmith.release import manifest

    return corpus_of(manifest.read(directory).corpus)


def _show_steps(steps: list[Step], as_json: bool) -> None:
    if as_json:
        return print_json([{**dataclasses.asdict(step), "seconds": step.seconds} for step in steps])
    table = Table("step", "rows to make", "rows/s at last run", "takes about")
    for step in steps:
        rows = "known when the step above is done" if step.rows is None else f"{step.rows:,}"
        takes = "" if step.seconds is None else f"{step.seconds:,.0f} s"
        table.add_row(
            step.name, rows, f"{step.rate:,.0f}" if step.rate else "not measured yet" if step.rows else "", takes
        )
    out.print(table)
    for step in steps:
        if step.expected:
            out.print(f"{plain(step.name)}, {plain(step.expected.model)}: {_tokens(step.expected)}", soft_wrap=True)


def _tokens(expected: Expected) -> str:
    cost = expected.cost
    money = (
        "its price is not set"
        if cost is None
        else f"costs about {cost:,.2f}"
        if cost >= 1
        else f"costs about {cost:.2g}"
    )
    tokens = f"about {expected.prompt_tokens:,} tokens of prompts and {expected.completion_tokens:,} of answers"
    return f"{tokens} ({plain(expected.how)}), {money}"
