"""Chains of edits: who paints which region how, planned in balance, then made turn by turn."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.edits.prompts import asked
from corpusmith.assets.edits.settings import Turns
from corpusmith.errors import SettingsError
from corpusmith.models.editor import EDITED, Editor
from corpusmith.work.plan import canonical
from corpusmith.work.produce import Make, Maker, with_failed

NAMED: Final = ("remove", "change")
"""Operations on something that is there; something is added where nothing is."""

PLANNED: Final = pl.Schema(
    {
        "scene": pl.String,
        "turn": pl.Int8,
        "number": pl.Int32,
        "operation": pl.String,
        "editor": pl.String,
        "name": pl.String,
        "thing": pl.String,
        "colour": pl.String,
        "prompt": pl.String,
        "strength": pl.Float64,
        "region": pl.String,
        "area": pl.Float32,
        "mask": pl.Binary,
    }
)
"""One edit that is to be made. number: of its region. name: what is there (null: nothing); thing, colour: what is asked
for. region: SHA-256 of the mask."""


def plan(scenes: pl.LazyFrame, regions: pl.LazyFrame, editors: Sequence[str], settings: Turns) -> pl.DataFrame:
    """All chains, PLANNED: each scene is edited once to ``most`` times, each time in another of its regions.

    Balanced by design, for each kind of scene: lengths go round over the scenes; each editor has as many turns as any
    other, within one; of the operations that a region allows the one that is rarest so far is taken. Scenes are taken
    in their order, so that those that come after leave the first ones' edits as they are; which region comes when is
    drawn. A scene with fewer regions than turns has a shorter chain.
    """
    place = pl.col("caption").str.extract(r", ((?:on|in|at|by) [^,]+)$")
    about = scenes.select("scene", "kind", place=place).collect()
    found = about.join(regions.collect(), on="scene", how="inner", maintain_order="left")
    parts = [_of_kind(part, editors, settings) for _, part in found.group_by("kind", maintain_order=True)]
    return pl.concat([pl.DataFrame(schema=PLANNED), *parts])


def _of_kind(found: pl.DataFrame, editors: Sequence[str], settings: Turns) -> pl.DataFrame:
    """The chains over the regions of scenes of one kind."""
    rows: list[dict[str, Any]] = []
    done: Counter[str] = Counter()
    for count, (_, part) in enumerate(found.group_by("scene", maintain_order=True)):
        drawn = sorted(part.to_dicts(), key=lambda row: _number(settings.seed, row["scene"], row["number"]))
        allowed = [row for row in drawn if _allowed(row, settings.operations)]
        for turn, region in enumerate(allowed[: 1 + count % settings.most], 1):
            operation = min(_allowed(region, settings.operations), key=lambda name: done[name])
            done[operation] += 1
            rows.append({**region, "turn": turn, "chain": count, "operation": operation})
    if not rows:
        return pl.DataFrame(schema=PLANNED)
    table = pl.DataFrame(rows, infer_schema_length=None)
    slots = table["chain"] if settings.editors_of_a_chain == "one" else pl.Series(range(table.height))
    strength = pl.col("operation").replace_strict(settings.strength.model_dump(), return_dtype=pl.Float64)
    table = table.with_columns(
        editor=pl.Series([editors[hand] for hand in _dealt(slots.to_numpy(), len(editors), settings.seed)]),
        strength=strength,
        region="mask_sha256",
    )
    seeds = [_number(settings.seed, scene, "turn", turn) for scene, turn in table.select("scene", "turn").rows()]
    said = asked(table, np.array(seeds, np.uint64))
    return table.drop("colour").hstack(said).select(pl.col(name).cast(kind) for name, kind in PLANNED.items())


def _allowed(region: dict[str, Any], operations: Sequence[str]) -> list[str]:
    """The operations that can be done in a region."""
    return [name for name in operations if (name in NAMED) is (region["name"] is not None)]


def worded(planned: pl.DataFrame, scenes: pl.LazyFrame, writer: Maker, make: Make) -> pl.DataFrame:
    """The plan with the prompts that a writer makes of it; where it failed, the grammar's stay."""
    asked_for = ("scene", "turn", *(name for name in writer.inputs if name != "caption"))
    told = planned.lazy().select(asked_for).join(scenes.select("scene", "caption"), on="scene", maintain_order="left")
    made = make(told, writer).select("scene", "turn", "written").collect()
    both = planned.join(made, on=["scene", "turn"], how="left", maintain_order="left")
    return both.with_columns(prompt=pl.coalesce("written", "prompt")).drop("written")


def turns(planned: pl.DataFrame, scenes: pl.LazyFrame, editor: Callable[[str], Editor], make: Make) -> pl.LazyFrame:
    """Every edit that was made or failed, turn by turn: a turn's plan names the turn before, so that what changes at
    the third makes the third alone. What comes after a turn that failed has nothing to go on from and is not there.

    editor(name) is asked for anew for each turn, and let go after it: one model is in memory at a time. Raises
    SettingsError where nothing is planned.
    """
    if planned.is_empty():
        raise SettingsError(
            "no scene has a region that can be edited: see edits.regions (min_area, max_area), or name more images"
        )
    last = scenes.filter(pl.col("image_sha256").is_not_null()).select(
        "scene", before="image_sha256", image_before="image"
    )
    made: list[pl.LazyFrame] = []
    names = planned["editor"].unique(maintain_order=True).sort()
    for turn in range(1, int(planned["turn"].max() or 0) + 1):  # type: ignore[call-overload]
        of_turn = planned.lazy().filter(pl.col("turn") == turn)
        given = of_turn.join(last, on="scene", how="inner", maintain_order="left")
        parts = [_by(editor(name), given.filter(pl.col("editor") == name), make) for name in names]
        made.append(pl.concat(parts).lazy())
        last = made[-1].drop_nulls("image_sha256").select("scene", before="key", image_before="image")
    return pl.concat(made)


def _by(editor: Editor, given: pl.LazyFrame, make: Make) -> pl.DataFrame:
    """What one editor makes of its turns, with all that says how."""
    provenance = editor.provenance
    return (
        with_failed(make(given, editor), given, editor)
        .select(
            "key",
            *PLANNED.names(),
            "before",
            *EDITED.names,
            model=pl.lit(provenance["model"]),
            revision=pl.lit(provenance["revision"]),
            steps=pl.lit(provenance["steps"], pl.Int32),
            guidance=pl.lit(provenance["guidance"], pl.Float32),
            plan=canonical(editor.inputs),
            fingerprint=pl.lit(editor.fingerprint),
        )
        .collect()
    )


def _dealt(slots: np.ndarray[Any, Any], hands: int, seed: int) -> np.ndarray[Any, Any]:
    """For each slot one of so many hands: round and round, each round in an order of its own."""
    rounds = int(slots.max()) // hands + 1
    order = np.concatenate([np.random.default_rng([seed, number]).permutation(hands) for number in range(rounds)])
    dealt: np.ndarray[Any, Any] = order[slots.astype(np.int64)]
    return dealt


def _number(*parts: object) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest)
