"""What every corpus's assets are handed: the settings, the ledger, and where things lie."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from filelock import FileLock

from corpusmith.assets import ledgers, uses
from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.estimate import Expected, expected
from corpusmith.models.text.usage import COLUMNS
from corpusmith.models.text.writers import ChatMaker
from corpusmith.release import tombstones
from corpusmith.settings import Settings
from corpusmith.work.ledger import KEY, Ledger, Shelf
from corpusmith.work.produce import Executor, Maker, Progress, keys_of, local, missing, produce, shelf_of

TOOK: ContextVar[list[pl.LazyFrame]] = ContextVar("took")
"""What language models made for the asset that is being made: the key and usage.COLUMNS of each row."""


@dataclass(frozen=True)
class Workshop:
    """One home folder with the settings that hold in it.

    on_lacking: what is done about rows that were never made, instead of making them: told how many, and the last rate
    in rows/s. on_expected: told before that what a language model would take for them. automatic: runs are started by
    nobody in particular, and name the versions that they release themselves. profile: which the settings are of; they
    are read again under it.
    """

    home: Path
    settings: Settings
    on_progress: Callable[[Progress], None] | None = None
    on_lacking: Callable[[int, float | None], None] | None = None
    on_expected: Callable[[Expected], None] | None = None
    automatic: bool = False
    profile: str = "house"

    @property
    def ledger(self) -> Ledger:
        """Where everything that was ever made lies; what was taken down of any corpus is neither read nor made."""
        return ledgers.opened(self.home, self.settings.work.ledger, tombstones.everywhere(self.home))

    @property
    def salt(self) -> str:
        """What author names are hashed with: CORPUSMITH_SALT, else a secret that this home draws once and keeps."""
        path = self.home / ".corpusmith" / "salt"
        if not path.exists() and "CORPUSMITH_SALT" not in os.environ:
            path.parent.mkdir(parents=True, exist_ok=True)
            drawn = path.with_name(f".salt.{os.getpid()}-{time.monotonic_ns()}")
            with open(drawn, "x", opener=_private) as file:
                file.write(secrets.token_hex(16))
            with contextlib.suppress(FileExistsError):
                os.link(drawn, path)  # whole, and the first one's where two draw at once
            drawn.unlink()
        return os.environ.get("CORPUSMITH_SALT") or path.read_text()

    @property
    def inbox(self) -> Path:
        """Dump files put here are the source when the settings name none."""
        return self.home / "inbox"

    def release(self, corpus: str) -> Path:
        """Where the release of a corpus is written."""
        return self.home / "data" / corpus

    def anew(self, settings: Settings) -> Workshop:
        """The same home with settings that were read again."""
        return dataclasses.replace(self, settings=settings)

    def turn(self, corpus: str) -> FileLock:
        """Held by the one who builds or names a release of a corpus in this home; not held once its process is gone."""
        return turn_of(self.home, corpus)

    def make(self, plan: pl.LazyFrame, maker: Maker) -> pl.LazyFrame:
        """Produce with this home's ledger, bound and progress; what an asset asks for is noted as used (`uses`)."""
        if isinstance(maker, ChatMaker):
            maker.at_home(self.home)
        if self.on_lacking:
            shelf = shelf_of(maker, self.ledger)
            lacking = missing(keys_of(plan, maker), shelf)
            if rows := int(lacking.sum()):
                self._expect(plan.filter(pl.Series(lacking)), rows, maker)
                self.on_lacking(rows, shelf.rate())
        made = produce(
            plan,
            maker,
            self.ledger,
            executor=local if _keeps_notes(maker) else self.executor,
            max_failure_rate=self.settings.work.max_failure_rate,
            on_progress=self.on_progress,
            on_keys=self._note,
        )
        if set(COLUMNS.names) <= set(maker.schema.names):
            TOOK.get([]).append(made.select(KEY, *COLUMNS.names))
        return made

    @property
    def executor(self) -> Executor:
        """Where batches are made: in this process, or on a Ray cluster."""
        if self.settings.work.executor == "local":
            return local
        from corpusmith.work.ray_executor import RayExecutor

        return RayExecutor(self.settings.work.ray)

    def _expect(self, lacking: pl.LazyFrame, rows: int, maker: Maker) -> None:
        if self.on_expected:
            told = expected(maker, lacking, rows, lambda: shelf_of(maker, self.ledger).scan())
            if told:
                self.on_expected(told)

    def _note(self, shelf: Shelf, keys: pl.Series) -> None:
        if made := uses.step():
            uses.note(self.home, made, shelf.name, keys)


def _keeps_notes(maker: Maker) -> bool:
    """Whether it notes in the home what it paid for, which an actor on another node cannot."""
    return isinstance(maker, ChatMaker) and isinstance(maker.chat, BatchChat)


def turn_of(home: Path, corpus: str) -> FileLock:
    """The lock of those who build, release, clean up or take down in a home, one at a time for each corpus."""
    folder = home / ".corpusmith"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"build-{corpus}.lock")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
