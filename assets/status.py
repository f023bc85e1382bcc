"""What a home holds: shelves of the ledger and releases, as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from assets.resources import Workshop


def status(workshop: Workshop) -> dict[str, Any]:
    """The home, every shelf (fingerprint, rows, failed, rate) and every release (corpus, version, rows, path)."""
    shelves = sorted((workshop.home / ".corpusmith" / "ledger").glob("*/maker.json"))
    releases = sorted((workshop.home / "data").glob("*/manifest.json"))
    return {
        "home": str(workshop.home),
        "ledger": [_shelf(path.parent) for path in shelves],
        "releases": [_release(path) for path in releases],
    }


def _shelf(folder: Path) -> dict[str, Any]:
    maker = json.loads((folder / "maker.json").read_text())
    rate = json.loads((folder / "rate.json").read_text()) if (folder / "rate.json").exists() else None
    segments, failures = list(folder.glob("segments/*.parquet")), list(folder.glob("failures/*.parquet"))
    made = pl.scan_parquet(segments).select("key").unique() if segments else pl.LazyFrame(schema={"key": pl.String})
    failed = pl.scan_parquet(failures).select("key").unique().join(made, on="key", how="anti") if failures else None
    return {
        "fingerprint": maker["fingerprint"],
        "rows": made.select(pl.len()).collect().item(),
        "failed": failed.select(pl.len()).collect().item() if failed is not None else 0,
        "rate": rate["rows"] / max(rate["seconds"], 1e-9) if rate else None,
        "path": str(folder),
    }


def _release(manifest: Path) -> dict[str, Any]:
    said = json.loads(manifest.read_text())
    return {
        "corpus": said["corpus"],
        "version": said["version"],
        "rows": said["counts"]["rows"],
        "path": str(manifest.parent),
    }
