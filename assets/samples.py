"""A handful of samples: the previews of all corpora, and rows made without a ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from corpusmith.work.produce import Maker


@dataclass(frozen=True)
class Preview:
    """Samples with origin, emotion, confidence, text, verdict and reasons, and the page that shows them."""

    samples: pl.DataFrame
    page: Path


def page(corpus: str, path: Path, **shown: Any) -> Path:
    """The preview page of a corpus: its own template filled and written to ``path``."""
    from jinja2 import Environment, PackageLoader

    template = Environment(loader=PackageLoader("assets", "."), autoescape=True).get_template(f"{corpus}/preview.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.render(corpus=corpus, **shown))
    return path


def make(rows: pl.DataFrame, maker: Maker) -> pl.DataFrame:
    """What a maker makes of rows (key, its inputs and carried), in batches of its own size, with no ledger."""
    read = ("key", *maker.inputs, *getattr(maker, "carried", ()))
    plan = rows.select(read).to_arrow(compat_level=pl.CompatLevel.oldest())
    narrow = [f.with_type(pa.string()) if f.type == pa.large_string() else f for f in plan.schema]
    batches = plan.cast(pa.schema(narrow)).combine_chunks().to_batches(max_chunksize=maker.batch_rows)
    return pl.DataFrame(pl.from_arrow(pa.Table.from_batches([maker.make(batch) for batch in batches], maker.schema)))
