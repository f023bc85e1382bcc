"""The expectations of the Reddit corpus as blocking checks: nothing that breaks one can be released."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import dagster as dg
import polars as pl

from assets.reddit.rejected import made, rejected
from assets.resources import Workshop
from assets.unchanged import code
from corpusmith.release.folder import write_atomically
from validation.reddit import Limits, sentences, validate
from validation.suite import Report, Result

BALANCED = dg.AssetKey(["reddit", "balanced"])
TABLES = ("comments", "labelled", "rewritten", "synthesized", "balanced")
OTHERS = [dg.AssetKey(["reddit", name]) for name in TABLES if name != "balanced"]


@dg.multi_asset_check(
    name="reddit_holds",
    specs=[
        dg.AssetCheckSpec(name, asset=BALANCED, blocking=True, description=sentence, additional_deps=OTHERS)
        for name, sentence in sentences(Limits()).items()
    ],
    ins={name: dg.AssetIn(key=["reddit", name]) for name in TABLES},
    can_subset=False,
)
def reddit_holds(
    comments: pl.LazyFrame,
    labelled: pl.LazyFrame,
    rewritten: pl.LazyFrame,
    synthesized: pl.LazyFrame,
    balanced: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> Iterator[dg.AssetCheckResult]:
    """Every expectation of the suite, with the rows that fail it."""
    stages = [labelled, rewritten, synthesized]
    limits = Limits.of(workshop.settings.reddit.model_dump(), made(comments, stages))
    report = checked(balanced, rejected(comments, stages, balanced), limits, workshop)
    for result in report.results:
        yield dg.AssetCheckResult(
            asset_key=BALANCED,
            check_name=result.name,
            passed=result.success,
            description=result.sentence,
            metadata={"failing": result.failing, "rows": ", ".join(result.keys), "observed": str(result.observed)},
        )


def checked(rows: pl.LazyFrame, refused: pl.LazyFrame, limits: Limits, workshop: Workshop) -> Report:
    """The report of `validate`; tables that held before, by the same code, are not checked again."""
    path = workshop.home / ".corpusmith" / "checked" / f"{_digest({'rows': rows, 'rejected': refused}, limits)}.json"
    if path.exists():
        return Report(tuple(Result(**{**said, "keys": tuple(said["keys"])}) for said in json.loads(path.read_text())))
    report = validate(rows, refused, limits)
    if report.success:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps([asdict(result) for result in report.results]))
    return report


def _digest(tables: Mapping[str, pl.LazyFrame], limits: Limits) -> str:
    found = hashlib.sha256(f"{code()} {limits}".encode())
    for name, table in tables.items():
        found.update(f"{name} {table.collect_schema()}".encode())
        for batch in table.collect_batches(chunk_size=65_536, maintain_order=True):
            found.update(batch.hash_rows().to_numpy().tobytes())
    return found.hexdigest()
