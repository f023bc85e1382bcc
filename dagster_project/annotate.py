"""corpusmith annotate: hand portraits to people, and read back what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from corpusmith.dagster_project.terminal import Debug, Home, Json, home_of, out, plain, print_json, told
from corpusmith.errors import UserError

app = typer.Typer(help="Hand portraits to people, and read back what they say.", no_args_is_help=True)
CORPUS: Final = "portraits"

Release = Annotated[Path | None, typer.Option(help="A release folder. Default: HOME/data/portraits.")]


@app.command("export")
def export(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder: images, a sheet for each rater, how to.")],
    rater: Annotated[list[str], typer.Option(help="A rater's name; may be repeated. BT.500 asks for 15 at least.")],
    images: Annotated[int | None, typer.Option(min=1, help="How many, over all generators. Default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Decides the choice of images and the order of each sheet.")] = 0,
    release: Release = None,
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the images of a release and a CSV for each rater to fill in: emotion, degree and quality."""
    from corpusmith.ingest.sheets import write_sheets

    with told(debug):
        count = write_sheets(_release(release, home), to, rater, images, seed)
        if as_json:
            return print_json({"folder": str(to), "images": count, "raters": rater})
        out.print(f"{count:,} images and {len(rater)} sheets: {plain(to)}", soft_wrap=True)


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="CSVs that raters filled in, or the two of MEMO-Bench.")],
    scale: Annotated[
        str | None, typer.Option(metavar="LOW,HIGH", help="Of degree and quality. Default: 1,5; MEMO-Bench's: its own.")
    ] = None,
    release: Release = None,
    home: Home = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read ratings, screen the raters, and keep mean opinion scores for the next build of portraits."""
    from corpusmith.dagster_project.build import check_writable
    from corpusmith.ingest import people
    from corpusmith.ingest.ratings import read_ratings
    from corpusmith.ingest.sheets import keys
    from corpusmith.score.raters import rejected

    with told(debug):
        place, folder = home_of(home), _release(release, home)
        check_writable(place)
        known = set(keys(folder)) if release or (folder / "data").is_dir() else None
        read = read_ratings(files, known, _scale(scale))
        opinions = people.keep(place, CORPUS, read.ratings)
        panel = people.kept(place, CORPUS)
        screened = rejected(panel)
        found = {
            "ratings": read.ratings.height,
            "blank": read.blank,
            "foreign": read.foreign,
            "scales": read.scales,
            "raters": panel["rater"].n_unique(),
            "screened_out": screened,
            "images": opinions.height,
            "without_majority": opinions["emotion"].null_count(),
        }
        if as_json:
            return print_json(found)
        out.print(f"{found['ratings']:,} ratings read; {read.blank:,} rows are not filled in")
        for what, taken in read.scales.items():
            out.print(f"scale of {what}: {plain(taken)}", soft_wrap=True)
        if read.foreign:
            out.print(f"{read.foreign:,} images are in no release here: kept under their file names", soft_wrap=True)
        out.print(f"screened out of {found['raters']} raters: {plain(', '.join(screened)) or 'nobody'}", soft_wrap=True)
        out.print(
            f"mean opinion scores of {opinions.height:,} images, {found['without_majority']:,} without a majority for "
            "one emotion; the next corpusmith build portraits takes them up",
            soft_wrap=True,
        )


def _release(release: Path | None, home: Path | None) -> Path:
    return release or home_of(home) / "data" / CORPUS


def _scale(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(end) for end in text.split(","))
    except ValueError:
        low = high = 0.0
    if not low < high < float("inf"):
        raise UserError(f"--scale {text!r}: expected the lowest and the highest number, such as 1,5")
    return low, high
