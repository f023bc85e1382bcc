"""Chains of edits: who paints which region how, planned in balance, then made turn by turn."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from assets.edits.prompts import asked
from assets.edits.settings import Turns
from corpusmith.models.editor import EDITED, Editor
from corpusmith.work.plan import canonical
from corpusmith.work.produce import Maker, with_failed

Make = Callable[[pl.LazyFrame, Maker], pl.LazyFrame]

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

    Balanced by design: lengths go round over the scenes; each editor has as many turns as any other, within one, over
    all and nearly so at each place of a chain; of the operations that a region allows the one that is rarest so far is
    taken. Which scene and which region comes when is drawn by the scenes' keys, whatever their order. A scene with
    fewer regions than turns has a shorter chain.
    """
    of_scene = regions.select(*("scene", "number", "name", "colour", "mask_sha256", "area", "mask")).collect()
    places = scenes.select("scene", place=pl.col("caption").str.extract(r", ((?:on|in|at|by) [^,]+)$")).collect()
    rows: list[dict[str, Any]] = []
    done: Counter[str] = Counter()
    for count, (scene, found) in enumerate(_shuffled(of_scene, settings.seed)):
        wanted = min(1 + count % settings.most, len(found))
        for region in found[:wanted]:
            operation = _rarest(done, region, settings.operations)
            if operation is None:
                continue
            done[operation] += 1
            turn = sum(row["scene"] == scene for row in rows[-settings.most :]) + 1
            rows.append({**region, "turn": turn, "chain": count, "operation": operation})
    if not rows:
        return pl.DataFrame(schema=PLANNED)
    table = pl.DataFrame(rows, infer_schema_length=None).join(places, on="scene", how="left", maintain_order="left")
    if settings.editors_of_a_chain == "one":
        slots = table["chain"].rank("dense").to_numpy() - 1
    else:
        slots = np.arange(table.height)
    seeds = np.array(
        [_number(settings.seed, row["scene"], row["turn"]) for row in table.iter_rows(named=True)], np.uint64
    )
    strength = pl.col("operation").replace_strict(settings.strength.model_dump(), return_dtype=pl.Float64)
    table = table.with_columns(
        editor=pl.Series([editors[place] for place in _dealt(slots, len(editors), settings.seed)]),
        strength=strength,
        region="mask_sha256",
    )
    said = asked(table, seeds)
    return table.drop("colour").hstack(said).select(pl.col(name).cast(kind) for name, kind in PLANNED.items())


def turns(planned: pl.DataFrame, scenes: pl.LazyFrame, editors: Sequence[Editor], make: Make) -> pl.LazyFrame:
    """Every edit that was made or failed, turn by turn: a turn's plan names the turn before, so that what changes at
    the third makes the third alone. What comes after a turn that failed has nothing to go on from and is not there.
    """
    last = scenes.filter(pl.col("image_sha256").is_not_null()).select(
        "scene", before="image_sha256", image_before="image"
    )
    made: list[pl.LazyFrame] = []
    for turn in range(1, int(planned["turn"].max() or 0) + 1):  # type: ignore[call-overload]
        of_turn = planned.lazy().filter(pl.col("turn") == turn)
        given = of_turn.join(last, on="scene", how="inner", maintain_order="left")
        parts = [_by(editor, given.filter(pl.col("editor") == editor.entry.name), make) for editor in editors]
        made.append(pl.concat(parts).collect().lazy())
        last = made[-1].drop_nulls("image_sha256").select("scene", before="key", image_before="image")
    return pl.concat(made)


def _by(editor: Editor, given: pl.LazyFrame, make: Make) -> pl.LazyFrame:
    """What one editor makes of its turns, with all that says how."""
    provenance = editor.provenance
    return with_failed(make(given, editor), given, editor).select(
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


def _shuffled(regions: pl.DataFrame, seed: int) -> list[tuple[str, list[dict[str, Any]]]]:
    """Each scene with its regions, both in an order that their names and the seed draw."""
    found = [
        (str(scene), sorted(part.to_dicts(), key=lambda row: _number(seed, row["scene"], row["number"], "region")))
        for (scene,), part in regions.group_by("scene", maintain_order=True)
    ]
    return sorted(found, key=lambda one: _number(seed, one[0], "scene"))


def _rarest(done: Counter[str], region: dict[str, Any], operations: Sequence[str]) -> str | None:
    """The operation that the region allows and that was planned least often; None where it allows none."""
    allowed = [name for name in operations if (name in NAMED) is (region["name"] is not None)]
    return min(allowed, key=lambda name: done[name], default=None)


def _dealt(slots: np.ndarray[Any, Any], hands: int, seed: int) -> np.ndarray[Any, Any]:
    """For each slot one of so many hands: round and round, each round in an order of its own."""
    rounds = int(slots.max()) // hands + 1
    order = np.concatenate([np.random.default_rng([seed, number]).permutation(hands) for number in range(rounds)])
    dealt: np.ndarray[Any, Any] = order[slots.astype(np.int64)]
    return dealt


def _number(*parts: object) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest)
