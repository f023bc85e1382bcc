"""What every command takes and how it speaks: its options, one clear line for an error, JSON for machines."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from corpusmith.assets.registry import installed
from corpusmith.errors import CorpusmithError, UserError
from corpusmith.release.plain import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corpusmith.assets.corpus import Corpus
    from corpusmith.assets.resources import Workshop

DISK_FULL = ("No space left on device", "disk is full", "disk I/O error")  # as Rust, SQLite and SQLite put it
TABLES = {"work", "profiles"}  # of params.yaml, which are no corpus's
PLACES = ("versions", "published", "pulled")
for stream in (sys.stdout, sys.stderr):
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # a terminal that knows no such sign
out = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, emoji=False)


def complete_corpus(incomplete: str) -> list[str]:
    """The corpora whose name begins so: those that are registered, and those that params.yaml has a table of."""
    with contextlib.suppress(Exception):
        return sorted(name for name in {*installed(), *(_tables().keys() - TABLES)} if name.startswith(incomplete))
    return []


def complete_profile(incomplete: str) -> list[str]:
    """The profiles of params.yaml whose name begins so."""
    with contextlib.suppress(Exception):
        return [name for name in _tables().get("profiles") or {} if name.startswith(incomplete)]
    return []


def complete_version(context: typer.Context, incomplete: str) -> list[str]:
    """The versions of the corpus that stands on the line before, in this home."""
    with contextlib.suppress(Exception):
        return list(_versions(context.params, str(context.params["corpus"]), incomplete))
    return []


def complete_release(context: typer.Context, incomplete: str) -> list[str]:
    """CORPUS, and after an @ the versions of it that this home has."""
    with contextlib.suppress(Exception):
        corpus, at, version = incomplete.partition("@")
        if not at:
            return complete_corpus(incomplete)
        return [f"{corpus}@{found}" for found in _versions(context.params, corpus, version)]
    return []


def _versions(given: dict[str, Any], corpus: str, incomplete: str) -> Iterator[str]:
    home = home_of(given.get("home"))
    found = {path.parent.name for place in PLACES for path in home.glob(f"{place}/{corpus}/*/manifest.json")}
    return (name for name in sorted(found, key=_parts) if name.startswith(incomplete))


def _parts(version: str) -> list[int]:
    return [int(part) if part.isdecimal() else 0 for part in version.split(".")]


def _tables() -> dict[str, Any]:
    from corpusmith import yaml_file
    from corpusmith.settings import default_path

    return yaml_file.read(default_path())[0]


Name = Annotated[
    str,
    typer.Argument(help=f"Which corpus: {', '.join(sorted(installed()))}.", autocompletion=complete_corpus),
]
Home = Annotated[
    Path | None,
    typer.Option(
        envvar="CORPUSMITH_HOME", help="Where ledger, releases and records live. Default: the checkout, else here."
    ),
]
Profile = Annotated[
    str,
    typer.Option(
        envvar="CORPUSMITH_PROFILE",
        help="Which models and how much: house, smoke, laptop or gpu.",
        autocompletion=complete_profile,
    ),
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Lay one setting over params.yaml.")]
Source = Annotated[
    list[str] | None, typer.Option(help="A dump file, folder, table or Hugging Face dataset id; may be repeated.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def plain(value: object) -> str:
    """Text from elsewhere for a line with markup: nothing in it is markup, or steers the terminal."""
    return escape(shown(value))


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def workshop_of(
    home: Path | None,
    profile: str = "house",
    overrides: list[str] | None = None,
    source: list[str] | None = None,
    corpus: Corpus | None = None,
) -> Workshop:
    """The home and its settings; ``source``: what the corpus is made from instead.

    Raises UserError when the home is a file, the corpus reads no source, or a setting is wrong.
    """
    from corpusmith.assets.registry import load
    from corpusmith.assets.resources import Workshop

    if source and corpus and not corpus.reads_sources:
        raise UserError(f"{corpus.name} is made from no source: leave out --source")
    named = (corpus.name, source) if source and corpus else None
    settings = load(profile=profile, overrides=overrides or (), source=named)
    return Workshop(home_of(home), settings, profile=profile)


def home_of(home: Path | None) -> Path:
    """The folder in which ledger, releases and records live. Raises UserError: it is a file, or no folder at all."""
    from corpusmith.settings import check_home, default_home

    try:
        place = check_home(home).expanduser().resolve() if home else default_home()
    except RuntimeError as error:
        raise UserError(f"the home {home} cannot be found: {error}") from None
    if place.exists() and not place.is_dir():
        raise UserError(f"the home {place} is a file; expected a folder: choose another --home")
    return place


@dataclasses.dataclass
class told:  # noqa: N801
    """Turns an error into one clear line: exit code 2 for a user's mistake, 130 for Ctrl-C, 1 for the rest."""

    debug: bool
    go_on: bool = False

    def __enter__(self) -> None:
        if not self.debug:
            from corpusmith.dagster_project.quiet import quiet

            quiet()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, typer.Exit | SystemExit):
            return
        if isinstance(error, KeyboardInterrupt):
            again = f" To go on from here: {shlex.join(['corpusmith', *sys.argv[1:]])}" if self.go_on else ""
            _complain(f"\nInterrupted; what is done is kept.{again}")
            raise typer.Exit(130) from None
        if self.debug:
            return
        _complain(f"error: {_said(error)}")
        raise typer.Exit(2 if isinstance(error, UserError) or _is_denied(error) else 1) from None


def _is_denied(error: BaseException) -> bool:
    """Whether a file or folder may not be read or written: whoever calls can mend that."""
    return isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


def _said(error: BaseException) -> str:
    if isinstance(error, CorpusmithError):
        return str(error)
    said = str(error).strip()
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if full or any(phrase in said for phrase in DISK_FULL):
        return "the disk is full; what is done is kept: free some space and run the same command again"
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        advice = "; see who may read and write there, or choose another place" if _is_denied(error) else ""
        return f"{error.strerror}{where}{advice}"
    return f"{type(error).__name__}: {said.partition(chr(10))[0]} (--debug shows the traceback)"


def _complain(line: str) -> None:
    err.print("\n".join(map(shown, line.split("\n"))), markup=False, soft_wrap=True)
