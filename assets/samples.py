"""A handful of samples: the previews of all corpora, and rows made without a ledger."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import polars as pl
import pyarrow as pa

from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.errors import UserError
from corpusmith.models.text.batch_api import BatchChat
from corpusmith.work.produce import Maker

Made = TypeVar("Made")

OWN_PLACE: Final = ("origin", "text", "source_text", "image", "verdict", "reasons")
"""What a preview shows in a place of its own; of all other columns, name and value."""


def some(table: pl.LazyFrame, rows: int) -> pl.DataFrame:
    """The first kept and the first rejected rows of a table by their key."""
    parts = [table.filter(pl.col("verdict") == verdict).sort("key").head(rows) for verdict in ("kept", "rejected")]
    return pl.concat(parts).collect()


def said(sample: dict[str, Any]) -> str:
    """What else a preview says of a sample: "emotion joy, confidence 0.93"."""
    others = {name: value for name, value in sample.items() if name not in OWN_PLACE and value is not None}
    return ", ".join(
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}" for name, value in others.items()
    )


def write_page(corpus: Corpus, workshop: Workshop, samples: pl.DataFrame) -> Path:
    """Write the page that shows samples of a corpus, as its ``preview`` gives them."""
    from jinja2 import Environment, PackageLoader

    template = Environment(loader=PackageLoader("corpusmith.assets", "."), autoescape=True).get_template("preview.html")
    shown = [{**row, "said": said(row), "source": _data_uri(row.get("image"))} for row in samples.to_dicts()]
    origins = samples["origin"].unique(maintain_order=True)
    groups = [(origin, [row for row in shown if row["origin"] == origin]) for origin in origins]
    facts = {"images": "image" in samples.columns, "reasons": corpus.card(workshop).reasons}
    path = workshop.home / ".corpusmith" / "preview" / f"{corpus.name}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.render(corpus=corpus.name, groups=groups, rows=len(shown), **facts))
    return path


def make(rows: pl.DataFrame, maker: Maker) -> pl.DataFrame:
    """What a maker makes of rows (key, its inputs and carried), in batches of its own size, with no ledger."""
    read = ("key", *maker.inputs, *getattr(maker, "carried", ()))
    batches = _plain(rows.select(read)).to_batches(max_chunksize=maker.batch_rows)
    with _asked_anew(maker):
        made = pa.Table.from_batches([maker.make(batch) for batch in batches], maker.schema)
    return pl.DataFrame(pl.from_arrow(made))


def batch(rows: pl.DataFrame) -> pa.RecordBatch:
    """Rows, at least one, as a maker is handed them."""
    return _plain(rows).to_batches()[0]


def made_here(fingerprint: str, here: Mapping[str, Made]) -> Made:
    """The maker of a fingerprint, of those that are here. Raises UserError where it is none of them."""
    if fingerprint not in here:
        raise UserError(
            f"these rows were made by {fingerprint}; here are {', '.join(here)}: "
            "use the profile and the version of corpusmith that the manifest names"
        )
    return here[fingerprint]


@contextlib.contextmanager
def _asked_anew(maker: Maker) -> Iterator[None]:
    """Within, a provider's batch API is asked, and paid, for every row: what it answered before is not looked for."""
    chat = getattr(maker, "chat", None)
    if not isinstance(chat, BatchChat):
        yield
        return
    notes = chat.notes
    with TemporaryDirectory(prefix="corpusmith-") as folder:
        chat.notes = Path(folder)
        try:
            yield
        finally:
            chat.notes = notes


def _plain(rows: pl.DataFrame) -> pa.Table:
    """In one piece, with strings of Arrow's usual kind."""
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    narrow = [f.with_type(pa.string()) if f.type == pa.large_string() else f for f in table.schema]
    return table.cast(pa.schema(narrow)).combine_chunks()


def _data_uri(image: dict[str, bytes] | None) -> str | None:
    """An encoded image, as a page holds it; None where there is none that can be opened."""
    from PIL import Image

    if not image:
        return None
    try:
        kind = Image.open(io.BytesIO(image["bytes"])).get_format_mimetype()
    except OSError:
        return None
    return f"data:{kind};base64,{base64.b64encode(image['bytes']).decode()}"
