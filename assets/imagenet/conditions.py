"""What is to be drawn: for each real image, and each strategy, who draws it from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
import polars as pl

from corpusmith.assets.imagenet import makers
from corpusmith.assets.imagenet.images import seen
from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.assets.imagenet.ways import FROM_IMAGE, PLAIN, strategies, ways
from corpusmith.errors import SettingsError
from corpusmith.work.draws import Seeds, below
from corpusmith.work.produce import Make

CONDITION: Final = pl.Schema(
    {
        "source": pl.String,
        "wnid": pl.String,
        "name": pl.String,
        "index": pl.Int32,
        "split": pl.String,
        "before": pl.String,
        "strategy": pl.String,
        "generator": pl.String,
        "template": pl.String,
        "prompt": pl.String,
        "guidance": pl.Float64,
        "steps": pl.Int64,
        "strength": pl.Float64,
    }
)
"""before: the digest of the real image that it is drawn from; null: from a text alone. guidance, steps, strength: of
the grid; null: as the catalog has it."""


def conditions(
    sources: pl.LazyFrame, captions: Mapping[str, Sequence[str]], templates: Sequence[str], settings: ImageNet
) -> pl.LazyFrame:
    """The plan of the images, CONDITION: every real image once in each way, in the order of ``sources``.

    captions: sentences by class, one of which is drawn for a source without a caption. A text names the class as
    ``settings.names`` does, where that says it otherwise. Raises SettingsError where a caption is wanted and there is
    none.
    """
    usable = pl.col("image_sha256").is_not_null() | (pl.col("kind") == "none")
    places = sources.filter(usable).select("source", "wnid", "name", "index", "split", "image_sha256", "caption")
    known = places.collect()
    called = known.with_columns(called=pl.col("wnid").replace_strict(settings.names, default=pl.col("name")))
    texts = {
        "label": _filled(called, [PLAIN] * called.height),
        "template": _filled(called, _drawn(called, templates, settings.seed)),
        "caption": _captioned(called, captions, settings.seed),
        "image": _silent(called).with_columns(prompt=pl.lit(None, pl.String)),
    }
    texts["image_label"] = texts["template"]
    if "caption" in strategies(settings):
        _check_captions(known.hstack(texts["caption"].select("prompt")))
    parts = [
        known.hstack(texts[way["strategy"]]).select(
            *("source", "wnid", "name", "index", "split"),
            before="image_sha256" if way["strategy"] in FROM_IMAGE else pl.lit(None, pl.String),
            strategy=pl.lit(way["strategy"]),
            generator=pl.lit(way["generator"]),
            template="template",
            prompt="prompt",
            **{name: pl.lit(way[name], CONDITION[name]) for name in ("guidance", "steps", "strength")},
        )
        for way in ways(settings)
    ]
    return pl.concat(parts).cast(dict(CONDITION)).lazy()


def captioned(sources: pl.LazyFrame, settings: ImageNet, make: Make) -> pl.LazyFrame:
    """The real images, with a caption by the captioner, where one is named, of those that have none."""
    name = settings.captions.captioner
    if name is None or "caption" not in strategies(settings):
        return sources
    lacking = sources.filter(pl.col("caption").is_null(), pl.col("image_sha256").is_not_null())
    said = seen(lacking.with_columns(key="source"), makers.captioner(name, settings.servers), make)
    told = said.select(source="key", said="caption")
    joined = sources.join(told, on="source", how="left", maintain_order="left")
    return joined.with_columns(caption=pl.coalesce("caption", "said")).drop("said")


def _check_captions(called: pl.DataFrame) -> None:
    lacking = called.filter(pl.col("prompt").is_null())
    if not lacking.is_empty():
        raise SettingsError(
            f"imagenet.strategies: {lacking.height:,} of {called.height:,} real images have no caption (the first is "
            f"{lacking['source'][0]}): set imagenet.captions.by_class or captioner, or leave caption out"
        )


def _filled(called: pl.DataFrame, templates: Sequence[str]) -> pl.DataFrame:
    said = called.select("called").with_columns(template=pl.Series(templates, dtype=pl.String))
    filled = [template.replace("{}", name) for name, template in said.iter_rows()]
    return said.select("template", prompt=pl.Series(filled, dtype=pl.String))


def _drawn(called: pl.DataFrame, templates: Sequence[str], seed: int) -> list[str]:
    places = below(_seeds(called["source"], f"template/{seed}"), len(templates))
    return [templates[place] for place in places]


def _captioned(called: pl.DataFrame, captions: Mapping[str, Sequence[str]], seed: int) -> pl.DataFrame:
    """A source's own caption, or one of its class's."""
    seeds = _seeds(called["source"], f"caption/{seed}")
    lists = [captions.get(name, ()) for name in called["name"]]
    places = below(seeds, [max(1, len(sentences)) for sentences in lists])
    of_class = [sentences[place] if sentences else None for sentences, place in zip(lists, places, strict=True)]
    said = called.select(prompt=pl.coalesce("caption", pl.Series("of_class", of_class, dtype=pl.String)))
    return _silent(called).hstack(said)


def _silent(called: pl.DataFrame) -> pl.DataFrame:
    """Without a template."""
    return pl.DataFrame({"template": pl.Series([None] * called.height, dtype=pl.String)})


def _seeds(sources: pl.Series, what: str) -> Seeds:
    """A seed for each source, which its name alone decides: another source more or less moves no other's."""
    seeded = blake2b(what.encode(), digest_size=8)

    def seed(source: str) -> int:
        state = seeded.copy()
        state.update(source.encode())
        return int.from_bytes(state.digest(), "big")

    return np.array([seed(source) for source in sources], dtype=np.uint64)
