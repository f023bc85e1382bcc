"""What an editor is asked for: an operation, a thing and its colour, put into words by a template grammar."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from corpusmith.drawings import objects
from corpusmith.drawings.objects import article
from corpusmith.work.draws import Seeds, below, mix

COLOURS: Final = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown")
"""What something may be changed to where nothing says which colours it comes in."""
EMPTY: Final = "an empty background"


def asked(regions: pl.DataFrame, seeds: Seeds) -> pl.DataFrame:
    """What is asked for of regions with their operation: thing, colour (null: none is said) and prompt, a row for each.

    regions: operation, name, colour, place (where the scene is, in a caption's words; null: it is not said). To add: a
    thing that house models know, in a colour that it comes in. To change: what is there, in another colour. To remove:
    what is behind it.
    """
    table = regions.select("operation", "name", "colour", "place").with_columns(pl.Series("seed", seeds))
    chosen = pl.concat(
        [
            _added(table.filter(operation="add")),
            _changed(table.filter(operation="change")),
            table.filter(operation="remove").select("seed", thing="name", colour=pl.lit(None, pl.String)),
        ]
    )
    said = table.select("seed", "operation", "place").join(chosen, on="seed", how="left", maintain_order="left")
    named = pl.concat_str("colour", "thing", separator=" ", ignore_nulls=True)
    behind = pl.concat_str(pl.lit(EMPTY), "place", separator=" ", ignore_nulls=True)
    there = pl.concat_str(article(named), named, "place", separator=" ", ignore_nulls=True)
    prompt = pl.when(operation="remove").then(behind).otherwise(there)
    return said.select("thing", "colour", prompt=prompt)


def _added(table: pl.DataFrame) -> pl.DataFrame:
    things = np.array(list(objects.classes()))
    seeds = table["seed"].to_numpy()
    thing = things[below(seeds, len(things))] if len(seeds) else things[:0]
    ways = [objects.kinds()[name]["colours"] for name in thing]
    which = below(mix(seeds), [len(way) for way in ways]) if len(seeds) else []
    colour = [way[place] if len(way) > 1 else None for way, place in zip(ways, which, strict=True)]
    return table.select("seed", thing=pl.Series(thing, dtype=pl.String), colour=pl.Series(colour, dtype=pl.String))


def _changed(table: pl.DataFrame) -> pl.DataFrame:
    colours = []
    for name, colour, seed in table.select("name", "colour", "seed").iter_rows():
        known = objects.kinds().get(name, {}).get("colours", COLOURS)
        others = [other for other in (known if len(known) > 1 else COLOURS) if other != colour]
        colours.append(others[int(below(np.array([seed], np.uint64), len(others))[0])])
    return table.select("seed", thing="name", colour=pl.Series(colours, dtype=pl.String))
