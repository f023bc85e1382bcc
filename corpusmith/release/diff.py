"""What changed between two releases: schema, rows by key, counts, distributions, settings, scores, and what is said."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.errors import ReleaseError
from corpusmith.release import distributions, manifest, parquet
from corpusmith.release.columns import images_of, without_images

_MEASURED = ["task", "subject", "form", "layer", "metric"]
_SCHEMA: Final = pl.Schema({"column": pl.String(), "what": pl.String(), "old": pl.String(), "new": pl.String()})
_SETTINGS: Final = pl.Schema({"setting": pl.String(), "old": pl.String(), "new": pl.String()})
_ROWS = ("data/", "CHANGELOG.md")  # what other fields tell of


@dataclass(frozen=True)
class Diff:
    """Rows by key; counts: what the corpus counts by, old, new, delta; scores: what both measured, old, new, delta.

    ``apart`` in scores says whether the two 95 % intervals are. redrawn: changed rows that have another image; renamed:
    added rows whose very image, or images, the old release has, under another key; both by the SHA-256 of the images.
    schema: column, what (added, removed, retyped, classes, order of classes), old, new. columns, categories: see
    corpusmith.release.distributions. settings: those that differ, but for the version, as JSON. files: what else is
    not the same (card, scores, rejected rows and so on), apart from the version and the commit of the code.
    """

    old: str
    new: str
    added: int
    removed: int
    changed: int
    unchanged: int
    counts: pl.DataFrame
    scores: pl.DataFrame
    schema: pl.DataFrame
    columns: pl.DataFrame
    categories: pl.DataFrame
    settings: pl.DataFrame
    files: tuple[str, ...] = ()
    redrawn: int = 0
    renamed: int = 0

    def sentence(self) -> str:
        """The difference in a line."""
        rows = f"{self.added:,} rows added, {self.removed:,} removed, {self.changed:,} changed"
        images = f"; {self.redrawn:,} of the changed rows have another image" if self.redrawn else ""
        images += f"; {self.renamed:,} of the added rows have an image of the old release" if self.renamed else ""
        return f"{self.old} → {self.new}: {rows}, {self.unchanged:,} as before{images}"


def diff(old: Path, new: Path) -> Diff:
    """What is new in ``new``, and what of ``old`` is gone. A row is changed when any column but its key differs.

    Of an image its digest is compared. Raises ReleaseError when either is no release or damaged, or they are of two
    corpora.
    """
    before, after = (manifest.read(folder) for folder in (old, new))
    manifest.check_whole(before, old)
    manifest.check_whole(after, new)
    if before.corpus != after.corpus:
        raise ReleaseError(
            f"{old} is of {before.corpus} and {new} of {after.corpus}: expected two releases of one corpus"
        )
    with parquet.naming_damage(old, new, tables=("data", "scores", "rejected")):
        return _compared(before, after, old, new)


def _compared(before: manifest.Manifest, after: manifest.Manifest, old: Path, new: Path) -> Diff:
    scanned = [parquet.scan(folder) for folder in (old, new)]
    images = [f"{name}_sha256" for name in images_of(scanned[1]) if name in images_of(scanned[0])]
    rows = [without_images(table) for table in scanned]
    shared = set.intersection(*(set(table.collect_schema()) for table in rows))
    hashed = [table.select("key", *images, row=_hash(table)) for table in rows]
    both = hashed[0].join(hashed[1], on="key", how="full", suffix="_new")
    same = pl.col("row") == pl.col("row_new")
    drawn_anew = [pl.col(name) != pl.col(f"{name}_new") for name in images]
    counted = both.select(
        added=pl.col("row").is_null().sum(),
        removed=pl.col("row_new").is_null().sum(),
        changed=(~same).sum(),
        unchanged=same.sum(),
        redrawn=pl.any_horizontal(pl.lit(False), *drawn_anew).sum(),
    ).collect(engine="streaming")
    added = hashed[1].join(hashed[0], on="key", how="anti")
    again = added.join(hashed[0], on=images, how="semi", nulls_equal=True) if images else added.head(0)
    renamed = again.select(pl.len()).collect(engine="streaming").item()
    spread = distributions.compare(_tables(rows[0], old, before), _tables(rows[1], new, after))
    return Diff(
        f"{before.corpus} {before.version}",
        f"{after.corpus} {after.version}",
        **counted.row(0, named=True),
        renamed=renamed,
        counts=_counts(rows[0], rows[1], [name for name in _counted_by(after) if name in shared]),
        scores=_scores(old, new),
        schema=pl.DataFrame([*_columns(*scanned), *_classes(before, after)], _SCHEMA, orient="row"),
        columns=spread.columns,
        categories=spread.categories,
        settings=pl.DataFrame(list(_settings(before, after)), _SETTINGS, orient="row"),
        files=tuple(_files(before, after, old, new)),
    )


def _hash(table: pl.LazyFrame) -> pl.Expr:
    """Of all that a row holds, whatever the order of its columns."""
    return pl.struct(sorted(name for name in table.collect_schema() if name != "key")).hash()


def _tables(rows: pl.LazyFrame, folder: Path, said: manifest.Manifest) -> dict[str, pl.LazyFrame]:
    """What is looked at for how it is distributed: the rows, and why others were rejected."""
    rejected = {"rejected": parquet.scan(folder, "rejected").select("reasons")} if said.tables("rejected") else {}
    return {"data": rows, **rejected}


def _columns(old: pl.LazyFrame, new: pl.LazyFrame) -> Iterator[tuple[str, str, str | None, str | None]]:
    """The columns that only one release has, or both in another type."""
    before, after = ({name: str(kind) for name, kind in side.collect_schema().items()} for side in (old, new))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            what = "added" if name not in before else "removed" if name not in after else "retyped"
            yield name, what, before.get(name), after.get(name)


def _classes(old: manifest.Manifest, new: manifest.Manifest) -> Iterator[tuple[str, str, str | None, str | None]]:
    """The columns whose classes are not the same: which only the old release has, and which only the new one."""
    for name in (name for name in old.labels if name in new.labels):
        before, after = old.labels[name], new.labels[name]
        gone, come = [word for word in before if word not in after], [word for word in after if word not in before]
        if gone or come:
            yield name, "classes", ", ".join(gone) or None, ", ".join(come) or None
        elif before != after:
            yield name, "order of classes", None, None


def _settings(old: manifest.Manifest, new: manifest.Manifest) -> Iterator[tuple[str, str | None, str | None]]:
    before, after = (dict(_flat(said.params)) for said in (old, new))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name) and name != f"{new.corpus}.version":
            yield name, before.get(name), after.get(name)


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Every setting by its dotted name, as JSON."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", json.dumps(value, ensure_ascii=False, default=str)


def _files(old: manifest.Manifest, new: manifest.Manifest, before: Path, after: Path) -> Iterator[str]:
    """The files beside the rows that are not the same, of tables their folder; version and commit are no difference."""
    said = {name: None for name in [*old.files, *new.files] if not name.startswith(_ROWS)}
    differ = [name for name in said if old.files.get(name) != new.files.get(name)]
    for name in dict.fromkeys(name.partition("/")[0] if name.endswith(".parquet") else name for name in differ):
        if name in ("rejected", "scores") or _said(before / name, old) != _said(after / name, new):
            yield name


def _said(path: Path, by: manifest.Manifest) -> bytes | None:
    """What a file says, without the version and the commit; None where it is not there."""
    with contextlib.suppress(OSError):
        return path.read_bytes().replace(by.version.encode(), b"").replace(str(by.code.get("commit")).encode(), b"")
    return None


def _counted_by(said: manifest.Manifest) -> list[str]:
    """The columns that the manifest counts rows by: those of label and origin."""
    names = [name.removeprefix("by_") for name in said.counts if name.startswith("by_")]
    return [name for name in reversed(names) if name != "split"]


def _counts(old: pl.LazyFrame, new: pl.LazyFrame, by: list[str]) -> pl.DataFrame:
    sides = [
        table.group_by(by).agg(pl.len().cast(pl.Int64).alias(side)) for side, table in (("old", old), ("new", new))
    ]
    joined = sides[0].join(sides[1], on=by, how="full", coalesce=True).with_columns(pl.col("old", "new").fill_null(0))
    return joined.with_columns(delta=pl.col("new") - pl.col("old")).sort(by).collect(engine="streaming")


def _scores(old: Path, new: Path) -> pl.DataFrame:
    """Scores of no single class that both releases have."""
    sides = [
        parquet.scan(folder, "scores")
        .filter(pl.all_horizontal(pl.col("^(label|degree|other)$").is_null()))
        .select(*_MEASURED, "value", "low", "high")
        .collect()
        for folder in (old, new)
    ]
    joined = sides[0].join(sides[1], on=_MEASURED, suffix="_new", nulls_equal=True, maintain_order="left")
    return joined.select(
        *_MEASURED,
        old="value",
        new="value_new",
        delta=pl.col("value_new") - pl.col("value"),
        apart=(pl.col("low") > pl.col("high_new")) | (pl.col("low_new") > pl.col("high")),
    )
