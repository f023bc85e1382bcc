"""Run a corpus's expectations as asset checks, once over the same tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.assets.unchanged import code
from corpusmith.release.columns import images_of
from corpusmith.validation.report import Report, Result
from corpusmith.whole import write_whole

ROWS_AT_ONCE, IMAGES_AT_ONCE = 1 << 16, 1 << 8


def checked(corpus: Corpus, workshop: Workshop, rows: pl.LazyFrame, rejected: pl.LazyFrame, limits: Any) -> Report:
    """The report of a corpus's suite under limits; what held before, by the same code, is not checked again."""
    digest = _digest({"rows": rows, "rejected": rejected}, f"{code(corpus.graph)} {limits}")
    path = workshop.home / ".corpusmith" / "checked" / f"{digest}.json"
    if path.exists():
        said = json.loads(path.read_text())
        report = Report(tuple(Result(**{**result, "keys": tuple(result["keys"])}) for result in said))
    else:
        report = corpus.suite.validate(rows, rejected, limits)
        if report.success:
            write_whole(path, json.dumps([asdict(result) for result in report.results]))
    _note(corpus.name, workshop.home, report, digest)
    return report


def _note(corpus: str, home: Path, report: Report, digest: str) -> None:
    broken = [
        {"name": result.name, "sentence": result.sentence, "failing": result.failing}
        for result in report.results
        if not result.success
    ]
    said = {"expectations": len(report.results), "broken": broken, "digest": digest}
    write_whole(home / ".corpusmith" / "checks" / f"{corpus}.json", json.dumps(said))


def results(report: Report, asset: dg.AssetKey) -> Iterator[dg.AssetCheckResult]:
    """What became of each expectation, with the rows that fail it."""
    for result in report.results:
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=result.name,
            passed=result.success,
            description=result.sentence,
            metadata={"failing": result.failing, "rows": ", ".join(result.keys), "observed": str(result.observed)},
        )


def _digest(tables: Mapping[str, pl.LazyFrame], decides: str) -> str:
    found = hashlib.sha256(decides.encode())
    for name, table in tables.items():
        found.update(f"{name} {table.collect_schema()}".encode())
        size = IMAGES_AT_ONCE if images_of(table) else ROWS_AT_ONCE
        for batch in table.collect_batches(chunk_size=size, maintain_order=True):
            found.update(batch.hash_rows().to_numpy().tobytes())
    return found.hexdigest()
