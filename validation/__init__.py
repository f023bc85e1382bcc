"""What must hold of each corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpusmith.validation.report import Report
    from corpusmith.validation.suite import Suite


def validate_release(suite: Suite, folder: Path, docs: Path | None = None) -> Report:
    """The suite of a corpus over a release folder, by the limits and counts of its manifest if it has one.

    Raises ReleaseError when the folder has no data, a file is not named or filled as its split says, or the manifest
    lacks a setting that the limits come from.
    """
    from corpusmith.errors import ReleaseError
    from corpusmith.release.plain import shown
    from corpusmith.validation import tables

    rows, rejected, said = tables.released(folder)
    made = said.get("counts", {}).get("made")
    params = said.get("params", {}).get(suite.corpus)
    try:
        limits = suite.limits.of(params, made) if params else suite.limits(made=made)
    except (KeyError, TypeError) as error:
        raise ReleaseError(
            f"{shown(folder)}: params.{suite.corpus} of the manifest lacks a limit ({shown(error)}); "
            "pull or build the release again"
        ) from None
    return suite.validate(rows, rejected, limits, docs)
