"""Publish the release of a corpus: only what holds what its suite asks for, and whose code is known."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.errors import ReleaseError, ValidationFailed
from corpusmith.release import manifest, shelf
from corpusmith.release.publish import put
from corpusmith.release.publish.places import PLAIN, Options, Place, Planned, Published, place_of

ALLOWED = "allowed"
"""In the manifest of what was published although something was wrong with it: what that was."""


def publish(
    corpus: Corpus,
    workshop: Workshop,
    to: str | None = None,
    options: Options = PLAIN,
    release: Path | None = None,
    allow_unknown_code: bool = False,
) -> Published:
    """Put a release (that in data/) where ``to`` says (else the setting work.publish, else HOME/published).

    allow_unknown_code, or the setting of that name: publish what was made by code that is in no commit; its manifest
    says so then. Raises ValidationFailed where an expectation does not hold, ReleaseError as `put.checked`, for
    unknown code, and where the version is there with other content: a published version never changes.
    """
    with _prepared(corpus, workshop, to, options, release, allow_unknown_code) as (place, folder, said, planned):
        return Published(planned.place, new=False) if planned.exists else place.publish(folder, said)


def plan(
    corpus: Corpus,
    workshop: Workshop,
    to: str | None = None,
    options: Options = PLAIN,
    release: Path | None = None,
    allow_unknown_code: bool = False,
) -> Planned:
    """What `publish` would do; nothing is written. Raises as that."""
    with _prepared(corpus, workshop, to, options, release, allow_unknown_code) as (_, _, _, planned):
        return planned


def address(corpus: Corpus, workshop: Workshop, to: str | None = None) -> str:
    """Where a corpus is published to."""
    asked = to or workshop.settings.work.publish or str(workshop.home / "published")
    return asked.replace("{corpus}", corpus.name)


@contextlib.contextmanager
def _prepared(
    corpus: Corpus, workshop: Workshop, to: str | None, options: Options, release: Path | None, allow_unknown_code: bool
) -> Iterator[tuple[Place, Path, manifest.Manifest, Planned]]:
    """The place, the release that may be published there with its manifest, and what publishing it would do.

    Who may not, or need not, publish is told so before the suite runs.
    """
    place = place_of(address(corpus, workshop, to), corpus.name, options)
    allowed = allow_unknown_code or workshop.settings.work.allow_unknown_code
    with _ready(release or workshop.release(corpus.name), allowed) as (folder, said):
        planned = place.plan(folder, said)
        if not planned.exists:
            _check_suite(corpus, folder)
        yield place, folder, said, planned


@contextlib.contextmanager
def _ready(folder: Path, allow_unknown_code: bool) -> Iterator[tuple[Path, manifest.Manifest]]:
    """The release as it may be published: itself, or one whose manifest says what was allowed of it."""
    said = put.checked(folder)
    unknown = manifest.unknown_code(said)
    if unknown and not allow_unknown_code:
        raise ReleaseError(
            f"{said.corpus} {said.version} was made when {unknown}: nobody could see how; commit and build it again "
            f"(corpusmith build {said.corpus}), or publish it with --allow-unknown-code, which its manifest will say"
        )
    if not unknown or said.more.get(ALLOWED):
        yield folder, said
        return
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.publish-", dir=folder.parent) as scratch:
        copy = Path(scratch) / folder.name
        shelf.lay(folder, copy)
        allowed = dataclasses.replace(said, more={**said.more, ALLOWED: [unknown]})
        os.unlink(copy / manifest.NAME)  # it is the same file as the release's own
        (copy / manifest.NAME).write_text(allowed.to_json())
        yield copy, allowed


def _check_suite(corpus: Corpus, folder: Path) -> None:
    from corpusmith.validation import validate_release

    report = validate_release(corpus.suite, folder)
    broken = [result for result in report.results if not result.success]
    if broken:
        lines = "\n".join(f"  ✗ {result.name}: {result.sentence}" for result in broken)
        raise ValidationFailed(
            f"{len(broken)} of {len(report.results)} expectations do not hold, so nothing was published:\n{lines}"
        )
