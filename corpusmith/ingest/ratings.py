"""Read what people said of images: sheets that raters filled in, and MEMO-Bench's two tables of mean opinion scores."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from corpusmith.emotions import VOCABULARIES
from corpusmith.errors import ReleaseError, SourceError, UserError
from corpusmith.score.raters import RATINGS, SCALES

SHEET: Final = ("rater", "image", "emotion", "degree", "quality")
"""The columns of a sheet; a rater fills in the last three."""
GRADES: Final = (1.0, 5.0)
"""The scale of a sheet's degree and quality: the five grades of ITU-R BT.500-15, from worst to best."""
MEMO: Final[Mapping[frozenset[str], Mapping[str, str]]] = {
    frozenset({"image", "score", "distortions"}): {"image": "image", "score": "degree", "distortions": "emotion"},
    frozenset({"image", "quality"}): {"image": "image", "quality": "quality"},
}
"""What the columns of MEMO-Bench's annotation_emo.csv and annotation_quality.csv hold (arXiv 2411.11235)."""
MEMO_RATERS: Final = "MEMO-Bench"

USUAL_SCALES: Final = ((0.0, 1.0), (1.0, 5.0), (0.0, 5.0), (0.0, 10.0), (0.0, 100.0))
WORDS: Final = {word: ekman for words in VOCABULARIES.values() for word, ekman in words.items()}
MAX_BYTES: Final = 64 << 20
MAX_SAID: Final = 10

Scale = tuple[float, float]


@dataclass(frozen=True)
class Read:
    """What was read: ratings, on which scale each file's numbers were taken to be, and what was passed over."""

    ratings: pl.DataFrame  # RATINGS
    scales: Mapping[str, str] = field(default_factory=dict)  # "ratings-anna.csv degree": "1–5, as sheets have it"
    blank: int = 0  # rows that nobody filled in
    foreign: int = 0  # images of MEMO-Bench, which are in no release: their file name is their key


def read_ratings(paths: Sequence[Path], keys: Collection[str] | None, scale: Scale | None = None) -> Read:
    """The ratings (RATINGS) in one or several CSV files, numbers mapped from their scale to 0–1.

    keys: of the images that are known; an image's file name is its key and a suffix. None: no release is at hand, and
    only MEMO-Bench's files can be read. ``scale`` is that of degree and quality; without it sheets have GRADES, and
    MEMO-Bench's scale, which is not published, is taken to be the least of USUAL_SCALES that holds all its numbers. A
    neutral face whose degree is left blank has degree 0. Separators may be commas, semicolons or tabs; decimal points
    may be commas. Raises SourceError naming file and row of everything that is wrong: a missing column, an unknown
    image or emotion, a number that is none or off the scale, an image that a rater rated twice; or that no row of them
    is filled in.
    """
    if not paths:
        raise UserError("no file of ratings was named: expected one CSV at least")
    problems: list[str] = []
    scales: dict[str, str] = {}
    found, blank = [], 0
    for path in paths:
        table, is_memo = _table(path)
        if keys is None and not is_memo:
            raise ReleaseError(f"{path} rates a release's images, and there is none: build it, or name it by --release")
        filled = table.filter(pl.any_horizontal(pl.col("emotion", *SCALES) != ""))
        blank += table.height - filled.height
        numbers, taken, wrong = _scaled(filled, path, scale, is_memo)
        problems += _unknown(filled, None if is_memo else keys) + wrong
        scales |= taken
        found.append(numbers)
    known = pl.col("stem").is_in(list(keys or ()))
    every = pl.concat(found).with_columns(
        key=pl.when(known).then("stem").otherwise("image"),
        emotion=pl.col("emotion").replace_strict(WORDS, default=None, return_dtype=pl.String),
        degree=pl.when(pl.col("emotion") == "neutral").then(pl.col("degree").fill_null(0.0)).otherwise("degree"),
    )
    problems += _twice(every)
    if problems:
        more = f"\n… and {len(problems) - MAX_SAID} more" if len(problems) > MAX_SAID else ""
        raise SourceError("\n".join(problems[:MAX_SAID]) + more)
    if every.is_empty():
        raise SourceError(
            f"nobody filled in a row of {', '.join(map(str, paths))}: expected an emotion, a degree or a quality"
        )
    return Read(_together(every), scales, blank, every.filter(~known)["key"].n_unique())


def merged(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Two tables of RATINGS as one, sorted; where a rater rated an image in both, what ``new`` says counts."""
    return _together(pl.concat([new, old]))


def _together(ratings: pl.DataFrame) -> pl.DataFrame:
    first = pl.col("emotion", *SCALES).drop_nulls().first()
    return ratings.group_by("rater", "key", maintain_order=True).agg(first).select(RATINGS.names()).sort("rater", "key")


def _table(path: Path) -> tuple[pl.DataFrame, bool]:
    """The filled columns of a file as text, with where each row stood; and whether it is MEMO-Bench's."""
    rows = _without_empty_columns(_rows(path))
    names = [name.strip().lower() for name in rows[0]]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{path}: the column {', '.join(repeated)} stands more than once in row 1")
    columns = MEMO.get(frozenset(names))
    if columns is None and (missing := [name for name in SHEET if name not in names]):
        raise SourceError(
            f"{path}: no column {', '.join(missing)}; expected {', '.join(SHEET)}, found {', '.join(names)}"
        )
    numbered = [(number, row) for number, row in enumerate(rows[1:], 2) if any(cell.strip() for cell in row)]
    if ragged := [number for number, row in numbered if len(row) != len(names)]:
        raise SourceError(f"{path}: row {ragged[0]} has not the {len(names)} cells of row 1: {', '.join(names)}")
    cells = list(zip(*(row for _, row in numbered), strict=True)) or [()] * len(names)
    held = {
        (columns or {}).get(name, name): pl.Series(cell, dtype=pl.String)
        for name, cell in zip(names, cells, strict=True)
    }
    blank = pl.Series([""] * len(numbered), dtype=pl.String)
    table = pl.DataFrame({name: held.get(name, blank).str.strip_chars() for name in SHEET})
    if columns:
        table = table.with_columns(rater=pl.lit(MEMO_RATERS))
    place = pl.Series([f"{path}: row {number}" for number, _ in numbered], dtype=pl.String)
    stem = pl.col("image").str.replace(r"^.*[/\\]", "").str.replace(r"\.\w{3,4}$", "")
    return table.with_columns(pl.col("emotion").str.to_lowercase(), place=place, stem=stem), columns is not None


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    """The rows without columns that have neither a name nor a value, as spreadsheets add them at the end."""
    width = len(rows[0])
    used = [any(place < len(row) and row[place].strip() for row in rows) for place in range(width)]
    return [[cell for place, cell in enumerate(row) if place >= width or used[place]] for row in rows]


def _rows(path: Path) -> list[list[str]]:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    if size > MAX_BYTES:
        raise SourceError(f"{path} has {size:,} bytes; expected a table of ratings of {MAX_BYTES:,} at most")
    try:
        text = unicodedata.normalize("NFC", data.decode("utf-8-sig"))  # a name is the same however it was typed
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not text in UTF-8 (byte {error.start}): save it as CSV UTF-8") from None
    if "\0" in text:
        raise SourceError(f"{path} is not a table of text: save it as CSV UTF-8")
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise SourceError(f"{path}: line {reader.line_num}: {error}; is a quotation mark left open?") from None
    if not rows or not rows[0]:
        raise SourceError(f"{path}: expected {', '.join(SHEET)} in row 1, found nothing")
    return rows


def _unknown(said: pl.DataFrame, known: Collection[str] | None) -> list[str]:
    """Rows without a rater, of an unknown emotion, or of an image that is not ``known`` (None: any is)."""
    image = pl.col("image") == "" if known is None else ~pl.col("stem").is_in(list(known))
    words = ", ".join(dict.fromkeys(WORDS))
    return [
        *_said(said, pl.col("rater") == "", pl.lit("no rater is named")),
        *_said(said, image, pl.format("the image '{}' is not one of the release's", "image")),
        *_said(
            said,
            ~pl.col("emotion").is_in(["", *WORDS]),
            pl.format(f"unknown emotion '{{}}'; expected one of {words}", "emotion"),
        ),
    ]


def _scaled(
    filled: pl.DataFrame, path: Path, given: Scale | None, is_memo: bool
) -> tuple[pl.DataFrame, dict[str, str], list[str]]:
    """The rows with degree and quality as numbers from 0 to 1 (null: blank), the scales they had, and what is wrong."""
    scales: dict[str, str] = {}
    problems: list[str] = []
    for name in SCALES:
        read = pl.col(name).str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        is_number = read.is_finite().fill_null(False)
        problems += _said(filled, (pl.col(name) != "") & ~is_number, pl.format(f"{name} '{{}}' is not a number", name))
        filled = filled.with_columns(pl.when(is_number).then(read).alias(name))
        numbers = filled[name].drop_nulls()
        if numbers.is_empty():
            continue
        (low, high), why = _scale(numbers, given, is_memo, f"{path}: {name}")
        off = pl.format(f"{name} {{}} is not on the scale from {low:g} to {high:g}", name)
        problems += _said(filled, ~pl.col(name).is_between(low, high), off)
        scales[f"{path.name} {name}"] = f"{low:g}–{high:g}, {why}"
        filled = filled.with_columns((pl.col(name) - low) / (high - low))
    return filled, scales, problems


def _scale(numbers: pl.Series, given: Scale | None, is_memo: bool, what: str) -> tuple[Scale, str]:
    if given:
        return given, "as was said"
    if not is_memo:
        return GRADES, "as sheets have it"
    least, most = min(numbers.to_list()), max(numbers.to_list())
    for low, high in USUAL_SCALES:
        if low <= least and most <= high:
            return (low, high), f"taken from {least:g} to {most:g}"
    raise SourceError(
        f"{what} goes from {least:g} to {most:g}, which is no usual scale: say which, as in --scale 0,200"
    )


def _twice(every: pl.DataFrame) -> list[str]:
    """Where a rater says something of an image a second time; MEMO-Bench's two files say different things."""
    again = pl.any_horizontal(
        pl.col(name).is_not_null() & (pl.col(name).is_not_null().cum_sum().over("rater", "key") > 1)
        for name in ("emotion", *SCALES)
    )
    earlier = pl.col("place").first().over("rater", "key")
    return _said(
        every.with_columns(earlier=earlier), again, pl.format("{} rated {} already in {}", "rater", "image", "earlier")
    )


def _said(table: pl.DataFrame, wrong: pl.Expr, what: pl.Expr) -> list[str]:
    return table.filter(wrong).select(pl.format("{}: {}", "place", what)).to_series().to_list()
