"""What a home holds: shelves of the ledger and releases, as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from corpusmith.assets import refused
from corpusmith.errors import LedgerError
from corpusmith.release import manifest
from corpusmith.release.parquet import damage


def status(home: Path) -> dict[str, Any]:
    """The home, every shelf (fingerprint, rows, failed, rate) and every release (corpus, version, rows, path).

    Raises LedgerError or ReleaseError, which name the file that cannot be read.
    """
    shelves = sorted((home / ".corpusmith" / "ledger").glob("*/maker.json"))
    releases = sorted((home / "data").glob("*/manifest.json"))
    return {
        "home": str(home),
        "ledger": [_shelf(path.parent) for path in shelves],
        "refused": refused.everywhere(home),
        "releases": [_release(path.parent) for path in releases],
    }


def _shelf(folder: Path) -> dict[str, Any]:
    maker = _said(folder / "maker.json", "fingerprint")
    rate = _said(folder / "rate.json", "rows", "seconds") if (folder / "rate.json").exists() else None
    made, failed = _keys(folder / "segments"), _keys(folder / "failures")
    return {
        "fingerprint": maker["fingerprint"],
        "rows": made.select(pl.len()).collect().item(),
        "failed": failed.join(made, on="key", how="anti").select(pl.len()).collect().item(),
        "rate": rate["rows"] / max(rate["seconds"], 1e-9) if rate else None,
        "path": str(folder),
    }


def _said(path: Path, *names: str) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(path.read_text())
        return {name: said[name] for name in names}
    except (ValueError, TypeError, KeyError) as error:
        raise LedgerError(
            f"{path} is not what the ledger wrote there ({type(error).__name__}: {error}); "
            "delete it: the next build writes it again"
        ) from None


def _keys(folder: Path) -> pl.LazyFrame:
    """The keys of the rows in a folder of the ledger, each once."""
    paths = sorted(folder.glob("*.parquet"))
    for path in paths:
        if why := damage(path):
            raise LedgerError(
                f"{path} is not a whole Parquet file ({why}); move it elsewhere: the next build makes its rows again"
            )
    return (
        pl.scan_parquet(paths, glob=False).select("key").unique() if paths else pl.LazyFrame(schema={"key": pl.String})
    )


def _release(folder: Path) -> dict[str, Any]:
    said = manifest.read(folder)
    return {"corpus": said.corpus, "version": said.version, "rows": said.counts["rows"], "path": str(folder)}
