"""The judge's answer decides a row, and its failure rejects one."""

from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from corpusmith.assets.reddit.labelled import judged, unsure, verdict
from corpusmith.models.text.classify import LABELS
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce


@dataclass
class Moody:
    """Sees joy in everything, is unsure of what is long, and fails on what says so."""

    name: str = "moody"
    fingerprint: str = "moody:none@1+0"
    inputs: tuple[str, ...] = ("text",)
    schema: pa.Schema = LABELS
    batch_rows: int = 8

    @property
    def provenance(self) -> dict[str, Any]:
        return {"model": "none", "revision": "1"}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        texts = rows["text"].to_pylist()
        if "fail" in texts:
            raise ValueError("no")
        sure = [0.9 if len(text) < 9 else 0.2 for text in texts]
        joy = {"emotion": ["joy"] * len(texts), "confidence": sure, "p_joy": sure}
        return pa.RecordBatch.from_pydict(
            {name: joy.get(name, [0.0] * len(texts)) for name in LABELS.names}, schema=LABELS
        )


def test_each_row_is_kept_unsure_or_not_judged_and_none_is_lost(tmp_path):
    samples = pl.LazyFrame({"key": ["a", "b", "c"], "text": ["short", "a long text", "fail"]})
    seen = judged(samples, Moody(), lambda plan, maker: produce(plan, maker, Ledger(tmp_path), max_failure_rate=0.5))
    found = verdict(seen, unsure(0.4)).select("key", "verdict", "reasons").sort("key").collect()
    assert found.rows() == [
        ("a", "kept", []),
        ("b", "rejected", ["low_confidence"]),
        ("c", "rejected", ["not_judged"]),
    ]
