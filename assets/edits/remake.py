"""Make published chains anew from what they say of themselves, to compare with what was published."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa

from corpusmith.assets.edits import makers
from corpusmith.assets.resources import Workshop
from corpusmith.assets.samples import made_here
from corpusmith.curate import masks
from corpusmith.models.editor import Editor
from corpusmith.work.plan import keys

PLAN = pa.schema(
    [
        *((name, pa.string()) for name in ("key", "before", "region", "operation", "prompt")),
        ("strength", pa.float64()),
        ("image_before", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("mask", pa.binary()),
        ("batch", pa.int32()),
    ]
)


def remaker(workshop: Workshop) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A function from release rows to the same chains made anew, from the base on: key, image, mask and their digests,
    and the largest leak.

    Each turn is painted in a batch of the recorded shape, on what the turn before it came to anew. Nothing is read from
    the ledger. Raises UserError when a turn was made by another model or version than is here.
    """
    settings = workshop.settings.edits
    here = {editor.fingerprint: editor for editor in makers.editors(settings)}

    def remake(rows: pl.DataFrame) -> pl.DataFrame:
        chains = rows.select("key", "base", "turns").to_dicts()
        last = [chain["base"] for chain in chains]
        leaks = [0.0] * len(chains)
        for turn in range(max(len(chain["turns"]) for chain in chains)):
            going_on = [place for place, chain in enumerate(chains) if turn < len(chain["turns"])]
            by: dict[str, list[int]] = {}
            for place in going_on:
                by.setdefault(chains[place]["turns"][turn]["fingerprint"], []).append(place)
            for fingerprint, places in by.items():
                editor = made_here(fingerprint, here)
                asked = [_asked(chains[place]["turns"][turn], last[place], editor) for place in places]
                for place, made in zip(places, _made(editor, asked), strict=True):
                    last[place] = made["image"]
                    leaks[place] = max(leaks[place], made["leak"])
        return pl.DataFrame(
            [
                _row(chain, image, leak, settings.editors)
                for chain, image, leak in zip(chains, last, leaks, strict=True)
            ],
            {"key": pl.String, "leak": pl.Float32, "image": rows.schema["image"], "mask": rows.schema["mask"]},
        )

    return remake


def _made(editor: Editor, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return editor.remake(pa.RecordBatch.from_pylist(asked, PLAN)).to_pylist()


def _asked(turn: dict[str, Any], image: dict[str, Any], editor: Editor) -> dict[str, Any]:
    """The plan row of a turn, whose key is computed from it."""
    plan = json.loads(turn["plan"])
    key = keys(pl.DataFrame([plan]), editor.fingerprint, editor.inputs)[0]
    return {**plan, "key": key, "image_before": image, "mask": turn["mask"]["bytes"], "batch": turn["batch"]}


def _row(chain: dict[str, Any], image: dict[str, Any], leak: float, editors: list[str]) -> dict[str, Any]:
    regions = [masks.opened(turn["mask"]["bytes"]) > 0 for turn in chain["turns"]]
    labels = [editors.index(turn["editor"]) + 1 for turn in chain["turns"]]
    label_map = {"bytes": masks.png(masks.composed(regions, labels)), "path": f"{chain['key']}.mask.png"}
    return {"key": chain["key"], "leak": leak, "image": image, "mask": label_map}
