"""Where the rows of a home lie: in its own folder, or where ``work.ledger`` says; and everywhere that they ever lay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from corpusmith.errors import LedgerError
from corpusmith.whole import write_whole

if TYPE_CHECKING:
    from corpusmith.work.ledger import Ledger


def own(home: Path) -> Path:
    """The folder of the home's own ledger."""
    return home / ".corpusmith" / "ledger"


def opened(home: Path, named: str | None, taken_down: frozenset[str] = frozenset()) -> Ledger:
    """The ledger that the setting ``work.ledger`` names, which the home remembers; None: its own.

    A path that is not absolute begins at the home.
    """
    from corpusmith.work.ledger import Ledger

    if named is None:
        return Ledger(own(home), taken_down=taken_down)
    place = named if "://" in named else str(home / Path(named).expanduser())
    if place not in (before := elsewhere(home)):
        write_whole(_path(home), json.dumps([*before, place]))
    return Ledger(place, taken_down=taken_down)


def elsewhere(home: Path) -> list[str]:
    """Where else than in its own folder the home has rows: addresses and paths."""
    try:
        said = json.loads(_path(home).read_text())
        return [str(place) for place in said]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise LedgerError(f"{_path(home)} is no list of ledgers ({error}): delete it and build again") from None


def everywhere(home: Path) -> list[Ledger]:
    """Every ledger that the home has rows in. What was taken down is in them too."""
    from corpusmith.work.ledger import Ledger

    return [Ledger(place) for place in (own(home), *elsewhere(home))]


def _path(home: Path) -> Path:
    return home / ".corpusmith" / "ledgers.json"
