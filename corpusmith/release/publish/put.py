"""Publish a release: see that it may be published, then put it where an address says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest, takedown
from corpusmith.release.plain import read_text
from corpusmith.release.publish.places import PLAIN, Options, Planned, Published, place_of
from corpusmith.yaml_file import parse


def publish(release: Path, to: str | os.PathLike[str], options: Options = PLAIN) -> Published:
    """Where the version lies, and whether it was put there now; the same content again writes nothing.

    Raises ReleaseError as `checked` does, and when the version is there with other content: a published version never
    changes. UserError when ``to`` is a file, or an address of a kind that is not known.
    """
    place = place_of(to, manifest.read(release).corpus, options)
    return place.publish(release, checked(release))


def plan(release: Path, to: str | os.PathLike[str], options: Options = PLAIN) -> Planned:
    """What publishing would do; nothing is written. Raises as `publish`."""
    place = place_of(to, manifest.read(release).corpus, options)
    return place.plan(release, checked(release))


def checked(release: Path) -> manifest.Manifest:
    """The manifest of a release that may be published.

    Raises ReleaseError when it is not what its manifest says, is a part of a release, holds what was taken down since
    it was built, or names no licence.
    """
    said = manifest.check(release)
    manifest.check_whole(said, release)
    takedown.check(release)
    if not front_matter(release).get("license"):
        raise ReleaseError(
            f"{release / 'README.md'} names no licence: say in the card of the corpus (CardText.licence) under which "
            "licence its rows may be used, and build it again"
        )
    return said


def front_matter(release: Path) -> Mapping[str, Any]:
    """What the card says to the Hub: the YAML at the top of README.md. Empty: there is none, or it is no table."""
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    path = release / "README.md"
    found = REGEX_YAML_BLOCK.search(read_text(path))
    said = parse(found[2], str(path))[0] if found else {}
    return said if isinstance(said, dict) else {}
