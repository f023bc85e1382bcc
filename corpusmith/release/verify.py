"""Prove a release: its files are unchanged, its keys and images are right, its rows can be made again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from corpusmith.curate.images import MAX_PIXELS, opened
from corpusmith.errors import ReleaseError, SettingsError
from corpusmith.hardware import computes_here
from corpusmith.release import manifest, parquet
from corpusmith.release.columns import images_of
from corpusmith.release.plain import is_safe, read_text, shown
from corpusmith.work.plan import KEY_HEX
from corpusmith.yaml_file import parse

TOLERANCE = 1e-3
"""By how much a probability may differ when it is made anew: float32 sums in another order, on another machine."""
GREY = 1
"""By how many levels of 0 to 255 a pixel may differ, where other libraries or another machine draw it."""

ELSEWHERE = 1e-2
"""The same where a release was made on another kind of machine (device or number type): bfloat16 has 8 bits."""
GREY_ELSEWHERE = 8

_SLICE = 1 << 16
_IMAGES = 256  # rows whose images are in memory at once
_NAMED = 5


@dataclass(frozen=True)
class Checked:
    """How many files are as they were released, how many keys are right, and how many images are what they should."""

    files: int
    keys: int
    images: int


@dataclass(frozen=True)
class Regenerated:
    """Rows that were made anew: how many, how many bit for bit, which within the tolerance, which are different.

    within, different: key, fingerprint, why (how far the row is off, at most). tolerance: by how much a probability,
    and a pixel in grey levels, may differ. elsewhere: where the release was made, if that was another kind of machine
    than this one: then what is different was made otherwise, and proves nothing against the release.
    """

    rows: int
    identical: int
    within: list[dict[str, str]]
    different: list[dict[str, str]]
    tolerance: tuple[float, int] = (TOLERANCE, GREY)
    elsewhere: str | None = None

    def summary(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "regenerated": self.rows,
            "bit_for_bit": self.identical,
            "within_tolerance": len(self.within),
            "tolerance": {"probability": self.tolerance[0], "grey_levels": self.tolerance[1]},
            "made_elsewhere": self.elsewhere,
            "within": self.within,
            "different": self.different,
        }

    def sentence(self) -> str:
        """The result for people; rows that are not the same bit for bit are named."""
        good = self.identical + len(self.within)
        said = [f"{good} of {self.rows} rows made again: {self.identical} bit for bit"]
        if self.within:
            number, grey = self.tolerance
            said[0] += f", {len(self.within)} within the tolerance ({number:g}, or {grey} of 255 grey levels)"
            said += [_line(row) for row in self.within[:_NAMED]]
            said += [f"  and {len(self.within) - _NAMED} more"] if len(self.within) > _NAMED else []
        if self.elsewhere:
            said.append(f"made on other hardware ({self.elsewhere}; here {computes_here()}): compared by its tolerance")
        return "\n".join([*said, *map(_line, self.different)])


def _line(row: Mapping[str, str]) -> str:
    return f"  {row['key']} ({row['fingerprint']}): {row['why']}"


def check_files(release: Path) -> Checked:
    """Check every file's digest, that each key is the hash of its row's fingerprint and plan, and each image's digest.

    A row of data/ without its image is wrong; one of rejected/ may be of an image that was not made. Raises one
    ReleaseError that names every file that is not as recorded, or the first keys or images that are wrong.
    """
    said = manifest.check(release)
    manifest.check_whole(said, release)
    check_card(release)
    names = [name for name in said.files if name.startswith(("data/", "rejected/")) and name.endswith(".parquet")]
    wrong: list[str] = []
    keys = images = 0
    for name in names:
        rows = pl.scan_parquet(release / name, glob=False)
        for batch in rows.select("key", "fingerprint", "plan").collect_batches(chunk_size=_SLICE):
            off = batch["key"] != recomputed_keys(batch)
            wrong += _places(name, batch.filter(off.fill_null(True)))
            keys += batch.height
    _complain(release, wrong, "keys do not follow from plan and fingerprint")
    missing: list[str] = []
    for name in names:
        rows = pl.scan_parquet(release / name, glob=False)
        for column in images_of(rows):
            held = rows.select("key", digest=f"{column}_sha256", data=pl.col(column).struct.field("bytes"))
            for batch in held.collect_batches(chunk_size=_IMAGES):
                there = batch.drop_nulls("data")
                if name.startswith("data/"):
                    missing += _places(name, batch.filter(pl.col("data").is_null() & pl.col("digest").is_not_null()))
                found = pl.Series([hashlib.sha256(data).hexdigest() for data in there["data"]], dtype=pl.String)
                wrong += _places(name, there.filter(found.ne_missing(there["digest"])))
                images += there.height
    _complain(release, missing, "images are missing")
    _complain(release, wrong, "images are not those of their digests")
    return Checked(len(said.files), keys, images)


def check_card(release: Path) -> None:
    """Raises ReleaseError where the card's front matter sends a reader elsewhere than to the files of the release.

    The front matter is what the Hub's own client takes for it, which is more than the form that we write.
    """
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    path = release / "README.md"
    found = REGEX_YAML_BLOCK.search(read_text(path))
    if not found:
        return
    try:
        said, _ = parse(found[2], str(path))
    except SettingsError as error:
        raise ReleaseError(f"the front matter cannot be read: {shown(error)}") from None
    for named in _paths(said.get("configs") if isinstance(said, dict) else None):
        if "://" in named or not is_safe(named.replace("*", "x")):
            raise ReleaseError(f"{path}: the front matter names {shown(named)!r}, which is no file of the release")


def _paths(value: Any, under: str = "") -> Iterator[str]:
    """Every text under ``data_files`` or ``data_dir`` of the configurations of a card, but for the names of splits."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "split":
                yield from _paths(inner, under or (str(name) if name in ("data_files", "data_dir") else ""))
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, under)
    elif isinstance(value, str) and under:
        yield value


def _places(name: str, rows: pl.DataFrame) -> list[str]:
    return [f"{key} in {name}" for key in rows["key"]]


def _complain(release: Path, wrong: list[str], what: str) -> None:
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise ReleaseError(f"{release}: {len(wrong)} {what}: {', '.join(wrong[:_NAMED])}{more}")


def recomputed_keys(rows: pl.DataFrame) -> pl.Series:
    """The key that fingerprint and plan (canonical JSON, as published) give each row; corpusmith.work.plan."""
    made = rows.select("fingerprint", "plan").rows()
    digests = [
        hashlib.blake2b(f"{fingerprint}\0{plan}".encode(), digest_size=KEY_HEX // 2).hexdigest()
        for fingerprint, plan in made
    ]
    return pl.Series("key", digests, dtype=pl.String)


def regenerate(release: Path, n: int, remake: Callable[[pl.DataFrame], pl.DataFrame]) -> Regenerated:
    """Make ``n`` rows anew and compare: numbers and images bit for bit or within a tolerance, all else exactly.

    The rows are the first by key of each maker in turn: the same ones each time, and every maker has its share.
    ``remake`` gets release rows of one fingerprint and returns them anew by ``key``, with any of their columns. Numbers
    may be off by TOLERANCE and the pixels of images by GREY, by ELSEWHERE and GREY_ELSEWHERE where the release was made
    on another kind of machine; an image's digest is no column of its own.
    """
    made_on = manifest.read(release).code.get("made_on")
    elsewhere = made_on if made_on and _kind(made_on) != _kind(computes_here()) else None
    near = (ELSEWHERE, GREY_ELSEWHERE) if elsewhere else (TOLERANCE, GREY)
    rows = sample(parquet.scan(release), n)
    parts = [_compare(part, remake(part), *near) for _, part in rows.group_by("fingerprint", maintain_order=True)]
    compared = pl.concat(parts) if parts else pl.DataFrame(schema=_COMPARED)
    exact, within = pl.col("off").is_null(), pl.col("good")
    named = compared.select("key", "fingerprint", "good", why="off")
    return Regenerated(
        rows.height,
        compared.filter(exact).height,
        named.filter(within, pl.col("why").is_not_null()).drop("good").to_dicts(),
        named.filter(~within).drop("good").to_dicts(),
        near,
        elsewhere,
    )


def _kind(made_on: str) -> tuple[str, str]:
    """Device and number type of a machine's sentence: what decides by how much numbers may differ."""
    device, _, rest = made_on.partition(" (")
    return device.partition(":")[0], rest.rpartition("), ")[2].partition(",")[0]


def sample(rows: pl.LazyFrame, n: int) -> pl.DataFrame:
    """``n`` rows, as many of each maker as there are; keys are hashes, so the first ones are a draw at random."""
    place = rows.select("key", turn=pl.col("key").rank("ordinal").over("fingerprint")).sort("turn", "key").head(n)
    return rows.join(place.drop("turn"), on="key", how="semi").sort("fingerprint", "key").collect()


_COMPARED = {"key": pl.String, "fingerprint": pl.String, "good": pl.Boolean, "off": pl.String}


class _Check(NamedTuple):
    """One column anew: whether it is the same, whether it is near enough, and what to say if it is not the same."""

    same: pl.Expr
    near: pl.Expr
    says: pl.Expr


def _compare(old: pl.DataFrame, new: pl.DataFrame, tolerance: float, grey: int) -> pl.DataFrame:
    """Columns of _COMPARED: good (within the tolerances), off (by what it is not the same; null: bit for bit)."""
    images = [name for name in images_of(old.lazy()) if name in new.columns]
    skipped = {"key", *images, *(f"{name}_sha256" for name in images)}
    shared = [name for name in new.columns if name in old.columns and name not in skipped]
    made = new.select(
        "key", pl.lit(True).alias("made"), *(pl.col(name).alias(f"new {name}") for name in shared + images)
    )
    joined = old.join(made, on="key", how="left", maintain_order="left")
    levels = [_grey_levels(name, joined[name], joined[f"new {name}"]) for name in images]
    there = pl.col("made").is_not_null()
    checks = [
        _Check(there, there, pl.lit("was not made")),
        *(_column(name, old.schema[name], tolerance) for name in shared),
        *(_image(name, grey) for name in images),
    ]
    bad = [pl.when(~check.near).then(check.says) for check in checks]
    near = [pl.when(~check.same).then(check.says) for check in checks]
    return joined.with_columns(levels).select(
        "key", "fingerprint", good=pl.all_horizontal(check.near for check in checks), off=pl.coalesce(bad + near)
    )


def _column(name: str, kind: pl.DataType, tolerance: float) -> _Check:
    was, now = pl.col(name), pl.col(f"new {name}")
    same = was.eq_missing(now)
    near = same | ((was - now).abs() <= tolerance).fill_null(False) if kind.is_float() else same
    return _Check(same, near, pl.format("{} was {}, is now {}", pl.lit(name), _shown(was), _shown(now)))


def _image(name: str, grey: int) -> _Check:
    levels = pl.col(f"off {name}")
    says = (
        pl.when(levels.is_null())
        .then(pl.lit(f"{name} is of another size, or cannot be opened"))
        .when(levels == 0)
        .then(pl.lit(f"{name} has the same pixels in other bytes"))
        .otherwise(pl.format("{} is off by {} of 255 grey levels", pl.lit(name), levels))
    )
    return _Check((levels < 0).fill_null(False), (levels <= grey).fill_null(False), says)


def _grey_levels(name: str, old: pl.Series, new: pl.Series) -> pl.Series:
    """By how much the pixels of two images differ at most, 0 to 255; -1: the very same bytes; null: not comparable."""
    pairs = zip(old.struct.field("bytes"), new.struct.field("bytes"), strict=True)
    return pl.Series(f"off {name}", [-1 if was == now else _difference(was, now) for was, now in pairs], pl.Int16)


def _difference(old: bytes | None, new: bytes | None) -> int | None:
    was, now = (opened(data, side=MAX_PIXELS).pixels for data in (old, new))
    if was is None or now is None or was.size != now.size:
        return None
    return int(np.abs(np.asarray(was, np.int16) - np.asarray(now, np.int16)).max())


def _shown(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.String).fill_null("null").str.head(200)
