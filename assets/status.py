"""Where a home stands, as plain data: each corpus at a glance, the shelves of the ledger, and the releases."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpusmith.assets import glance, ledgers, refused, registry, running
from corpusmith.errors import UserError
from corpusmith.release.plain import read_json, shown

if TYPE_CHECKING:
    from corpusmith.assets.corpus import Corpus
    from corpusmith.assets.resources import Workshop
    from corpusmith.work.ledger import Shelf

_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}")
UNKNOWN = "it is not known what it was made from"
MOST_ERRORS = 3
REJECTED_FAILED = ("not_made", "not_judged")


def status(home: Path, profile: str | None = None) -> dict[str, Any]:
    """The home, every corpus (`overview`), shelf (`shelves`) and release (corpus, version, rows).

    Raises LedgerError or ReleaseError, which name the file that cannot be read.
    """
    from corpusmith.release import manifest

    releases = [(path.parent, manifest.read(path.parent)) for path in sorted((home / "data").glob("*/manifest.json"))]
    return {
        **overview(home, profile),
        "ledger": shelves(home),
        "refused": refused.everywhere(home),
        "releases": [
            {"corpus": said.corpus, "version": said.version, "rows": said.counts["rows"], "path": str(folder)}
            for folder, said in releases
        ],
    }


def overview(home: Path, profile: str | None = None, only: str | None = None) -> dict[str, Any]:
    """Every corpus that the settings have a table of, or that this home has (`only`: this one), without loading any.

    profile: that the settings are read under; None: the one that each was built under, ``house`` where it was not.
    """
    from corpusmith import settings, yaml_file

    raw, _ = yaml_file.read(settings.default_path())
    profiles = raw.pop("profiles", {}) or {}
    names = dict.fromkeys([*registry.installed(), *(name for name in raw if name != "work"), *_there(home)])
    if only is not None and only not in names:
        raise UserError(f"unknown corpus {shown(only)!r}: expected one of {', '.join(names)}")
    if profile is not None and profile not in profiles:
        raise UserError(f"unknown profile {shown(profile)!r}: {settings.default_path()} has {', '.join(profiles)}")
    found = []
    for name in [only] if only else names:
        noted = _noted(home, name)
        under = profile or noted.get("glance", {}).get("profile", "house")
        laid = settings.merge(raw, profiles.get(under) or {})
        found.append(_corpus(home, name, noted, laid, under))
    return {"home": str(home), "corpora": found, "dagster_elsewhere": running.elsewhere(home)}


def shelves(home: Path, corpus: str | None = None) -> list[dict[str, Any]]:
    """Every shelf of the ledger, or those that a corpus asked for something on when it was made last.

    Of each: fingerprint, rows, rows that failed and with what, rows/s of the last run, tokens and cost of all its rows.
    """
    from corpusmith.assets import uses

    asked = {shelf for one in uses.asked(home, corpus) for shelf, _ in one.pairs} if corpus else None
    every = [shelf for ledger in ledgers.everywhere(home) for shelf in ledger.shelves()]
    return [_shelf(one) for one in every if one.fingerprint and (asked is None or one.name in asked)]


def status_metadata(corpus: Corpus, workshop: Workshop) -> dict[str, Any]:
    """The same of one corpus for the UI: version, age, rows, checks, what is stale and why, failures waiting.

    Plain values, as Dagster takes them for metadata; nothing is opened but notes and the manifest.
    """
    (said,) = overview(workshop.home, workshop.profile, corpus.name)["corpora"]
    return {
        "version": said["version"] or "not built",
        "newest on the shelf": said["newest"] or "none",
        "rows": said["rows"] or 0,
        "rejected": said["rejected"] or 0,
        "checks": checks_sentence(said["checks"]),
        "stale": "; ".join(said["stale"]) or "no",
        "failures waiting": said["failures"],
        "left out": "; ".join(f"{note['partition']}: {note['error']}" for note in said["left_out"]) or "none",
    }


def checks_sentence(checks: Mapping[str, Any] | None) -> str:
    """``34 of 34 held``, with the names of those that did not."""
    if not checks:
        return "not checked"
    broken = [one["name"] for one in checks["broken"]]
    held = f"{checks['expectations'] - len(broken)} of {checks['expectations']} held"
    return f"{held}; broken in the last build: {', '.join(broken)}" if broken else held


def _corpus(home: Path, name: str, noted: Mapping[str, Any], raw: Mapping[str, Any], profile: str) -> dict[str, Any]:
    release = home / "data" / name
    said = _manifest(release)
    runs = running.of_corpus(home, name)
    return {
        "corpus": name,
        "version": said["version"] if said else None,
        "newest": _newest(home, name),
        "built": (release / "manifest.json").stat().st_mtime if said else None,
        "rows": said["counts"]["rows"] if said else None,
        "rejected": said["counts"].get("rejected") if said else None,
        "checks": _read(home / ".corpusmith" / "checks" / f"{name}.json"),
        "profile": profile,
        "stale": _stale(home, name, noted, raw) if said else [],
        "running": running.is_built(home, name) or bool(runs),
        "runs": [vars(run) for run in runs],
        "failures": _failures(home, name),
        "left_out": list(refused.refused(home, name).values()),
    }


def _stale(home: Path, name: str, noted: Mapping[str, Any], raw: Mapping[str, Any]) -> list[str]:
    """Why a build would not leave the release as it is, as far as can be told at a glance."""
    said = _manifest(home / "data" / name) or {}
    failed = sum(said["counts"].get("rejected_by_reason", {}).get(reason, 0) for reason in REJECTED_FAILED)
    if failed:
        return [f"{failed:,} {'row' if failed == 1 else 'rows'} failed: the next build tries again"]
    path = home / "data" / name / "manifest.json"
    if "glance" not in noted or noted.get("manifest") != _sha256(path):
        return [UNKNOWN]
    return glance.changes(noted["glance"], name, raw, home / "takedowns" / f"{name}.csv")


def _failures(home: Path, corpus: str) -> int:
    """Rows that a corpus asked for, and that failed and were not made since."""
    folder, here = home / ".corpusmith" / "uses" / corpus / "asked", ledgers.own(home)
    if not folder.is_dir() or not (ledgers.elsewhere(home) or any(here.glob("*/failures/*.parquet"))):
        return 0
    from corpusmith.assets import uses

    pairs = frozenset().union(*(one.pairs for one in uses.asked(home, corpus)))
    waiting = 0
    for shelf in (ledger.named(name) for ledger in ledgers.everywhere(home) for name in sorted({n for n, _ in pairs})):
        if (failed := shelf.waiting()).len():
            asked = uses.keys(home, {pair for pair in pairs if pair[0] == shelf.name})
            waiting += int(failed.is_in(asked.implode()).sum())
    return waiting


def _shelf(shelf: Shelf) -> dict[str, Any]:
    failed = shelf.waiting().len()
    return {
        "fingerprint": shelf.fingerprint,
        "rows": shelf.rows(),
        "failed": failed,
        "errors": _errors(shelf) if failed else [],
        "rate": shelf.rate(),
        "took": _took(shelf),
        "path": shelf.said,
    }


def _errors(shelf: Shelf) -> list[dict[str, Any]]:
    """What the rows that wait failed with, the commonest first: error, message, rows."""
    import polars as pl

    counted = (
        shelf.failures()
        .group_by("error", "message")
        .agg(rows=pl.len())
        .sort("rows", "message", descending=[True, False])
    )
    return counted.head(MOST_ERRORS).to_dicts()


def _took(shelf: Shelf) -> dict[str, float]:
    """The tokens and the cost of all that lies on a shelf (usage.COLUMNS); empty where no language model was asked."""
    import polars as pl

    from corpusmith.models.text.usage import COLUMNS

    rows = shelf.scan()
    counted = [name for name in COLUMNS.names if name in rows.collect_schema()]
    return rows.select(pl.col(counted).cast(pl.Float64).sum()).collect().row(0, named=True) if counted else {}


def _manifest(release: Path) -> dict[str, Any] | None:
    """What the manifest of a release says, None: there is none. Raises ReleaseError for one that was damaged."""
    if not (release / "manifest.json").is_file():
        return None
    with contextlib.suppress(TypeError, KeyError):
        said: dict[str, Any] = read_json(release / "manifest.json")
        if isinstance(said["version"], str) and isinstance(said["counts"]["rows"], int):
            return said
    from corpusmith.release import manifest

    manifest.read(release)  # says what is wrong
    return None


def _newest(home: Path, corpus: str) -> str | None:
    """The newest version on the shelf."""
    found = [path.parent.name for path in (home / "versions" / corpus).glob("*/manifest.json")]
    whole = [version for version in found if _VERSION.fullmatch(version)]
    return max(whole, key=lambda version: [int(part) for part in version.split(".")], default=None)


def _there(home: Path) -> Collection[str]:
    return [path.parent.name for path in sorted((home / "data").glob("*/manifest.json"))]


def _noted(home: Path, corpus: str) -> dict[str, Any]:
    return _read(home / ".corpusmith" / "built" / f"{corpus}.json") or {}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        said: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return said


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def age(seconds: float) -> str:
    """A time span in words: ``2 days``."""
    for unit, length in (("year", 31_557_600), ("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if (count := int(seconds // length)) > 0:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def built_ago(built: float) -> str:
    """How long ago a release was built, in words."""
    return age(max(0.0, time.time() - built))
