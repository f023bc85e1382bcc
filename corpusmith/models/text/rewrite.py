"""Put a neutral comment into an emotion and keep its own words: frames around them, chosen with a guide classifier."""

from __future__ import annotations

import hashlib
import itertools
import re
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import yaml

from corpusmith.emotions import EMOTIONS
from corpusmith.models import house
from corpusmith.models.text import classify
from corpusmith.work.draws import STEP, Seeds, below, mix, uniform
from corpusmith.work.plan import fingerprint, seeds
from corpusmith.yaml_file import LOADER

VERSION: Final = 1  # of how frames are put around a text: raise it when that changes
FRAMES: Final = Path(__file__).with_name("frames.yaml")
TARGETS: Final = tuple(emotion for emotion in EMOTIONS if emotion != "neutral")
REWRITE: Final = pa.schema(
    [pa.field("rewrite", pa.string()), pa.field("frame", pa.string()), pa.field("guide", pa.float32())]
)

NONE: Final = ""
PARTS: Final = (NONE, "before", "lead", "ask", "between", "after", "tail")
SLOTS: Final = ("opening", "middle", "closing")
LONG, LONGER = 20, 40  # words
FORMS: Final = (
    ("before", "", ""),
    ("", "", "tail"),
    ("lead", "", "after"),
    ("before", "", "after"),
    ("lead", "between", ""),
    ("", "", "after"),
    ("before", "", "tail"),
    ("lead", "", ""),
    ("", "between", "after"),
    ("before", "between", "after"),
    ("lead", "", "tail"),
    ("", "between", "tail"),
)
"""Which parts a rewrite has: what opens it, what comes between its sentences, what closes it."""

# How a statement begins that may go on after other words, and so lose its capital.
_STARTERS: Final = (
    "a|an|the|this|that|these|those|it|its|there|he|she|they|we|you|my|our|your|his|her|their|some|most|many|both|each|"
    "every|all|one|two|no|if|when|in|on|at|for|from|by|with|as|so|just|maybe|it's|that's|there's|they're|we're|you're"
)
_FIRST_SENTENCE: Final = r"(?s)^(.{12,}?[\p{L}\p{N})'\"]{2}[.!?]+)(\s+)(\S.*)$"
_ABBREVIATION: Final = r"\b(?:[Dd]r|[Mm]rs?|[Mm]s|[Ss]t|vs|etc|[Nn]o|[Pp]rof|[JS]r)\.$"
_TOPIC: Final = (
    r"\b((?:[Tt]he|[Mm]y|[Oo]ur|[Hh]is|[Hh]er|[Tt]heir) (?:\p{Ll}+ ){0,2}?\p{Ll}{3,})"
    r"(?: (?:is|was|has|had|takes|needs|in|on|at|for|with|and|from|until|before|after|when|because|but)\b|[.,!?;:])"
)
_NO_TOPIC: Final = (
    r"\b(?:same|other|others|next|first|second|last|rest|end|start|middle|beginning|whole|only|most|best|one|ones|way|"
    r"time|times|day|days|week|weekend|month|year|years|morning|evening|night|fact|point|case|part|lot|thing|things|"
    r"reason|question|answer|comment|post|thread)$|\b(?:same|other|whole|only|most|way)\b"
)


class HouseRewriter:
    """Rewrites ``text`` so that it reads as ``target``, one of TARGETS, with frames of the project's own.

    Each row draws so many candidates by its key; the guide reads them all, and one is drawn among them, the likelier
    the surer the guide is of the target: to the power of ``sharpness``. The guide should not be who judges the result.
    """

    name = "emotion-rewriter"
    inputs = ("text", "target")
    schema = REWRITE

    def __init__(
        self, guide: str = "house/emotion-guide", candidates: int = 8, sharpness: float = 2.0, batch_rows: int = 2048
    ) -> None:
        self.guide, self.candidates, self.sharpness, self.batch_rows = guide, candidates, sharpness, batch_rows

    @cached_property
    def _settings(self) -> dict[str, Any]:
        frames = hashlib.sha256(FRAMES.read_bytes()).hexdigest()
        return {"candidates": self.candidates, "sharpness": self.sharpness, "frames": frames, "version": VERSION}

    @cached_property
    def _revision(self) -> str:
        return house.revision(house.folder(self.guide))

    @cached_property
    def fingerprint(self) -> str:
        """Guide, revision of its files, frames and settings."""
        return fingerprint(self.name, self.guide, self._revision, self._settings)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people."""
        where = {"device": "cpu", "dtype": "float32"}
        return {"model": self.guide, "revision": self._revision, **self._settings, **where}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rewrite, its frame and the guide's probability of the target, for each row.

        Raises ValueError for a text that is missing or empty, or a target that is not one of TARGETS.
        """
        texts, targets = pl.Series(rows["text"]), pl.Series(rows["target"])
        drawn = seeds(rows["key"].to_pylist())
        tried = candidates(texts, targets, drawn, self.candidates)
        column = np.repeat([EMOTIONS.index(target) for target in targets], self.candidates)
        guesses = classify.predict(self.guide, tried["rewrite"].to_arrow())[np.arange(len(column)), column]
        chosen = np.arange(len(texts)) * self.candidates + choose(
            guesses.reshape(len(texts), self.candidates), drawn, self.sharpness
        )
        made = (
            tried[chosen].with_columns(guide=pl.Series(guesses[chosen])).to_arrow(compat_level=pl.CompatLevel.oldest())
        )
        return made.cast(REWRITE).combine_chunks().to_batches()[0]


def candidates(texts: pl.Series, targets: pl.Series, drawn: Seeds, number: int) -> pl.DataFrame:
    """So many rewrites of each text, one after the other: columns rewrite and frame, (texts × number) rows.

    Raises ValueError for a text that is missing or empty, or a target that is not one of TARGETS.
    """
    _check(texts, targets)
    sources = _sources(texts)[np.repeat(np.arange(len(texts)), number)]
    trial = np.tile(np.arange(number), len(texts))
    # each row goes through the forms from another one on, so that its candidates differ in kind
    form = (np.repeat(below(mix(drawn), len(FORMS)), number) + trial) % len(FORMS)
    slots = sources.with_columns(
        pl.DataFrame(np.array(FORMS)[form], schema=["opening", "middle", "closing"])
    ).with_columns(_fit())
    target = np.repeat([TARGETS.index(target) for target in targets], number)
    draws = mix(np.repeat(drawn, number)) + STEP * trial.astype(np.uint64)
    phrases = {f"{slot}_words": _phrases(slots[slot], target, draws + at) for at, slot in enumerate(SLOTS)}
    return slots.with_columns(**phrases).with_columns(_filled()).select(_rewrite(), _frame())


def choose(guesses: npt.NDArray[np.float32], drawn: Seeds, sharpness: float) -> npt.NDArray[np.int64]:
    """One column of each row, drawn by its seed in proportion to guess ** sharpness; (n, k) to (n,)."""
    places = np.arange(guesses.shape[1], dtype=np.uint64)
    noise = -np.log(-np.log(uniform(mix(mix(drawn))[:, None] + STEP * places)))  # Gumbel: its argmax is a draw
    chosen: npt.NDArray[np.int64] = (sharpness * np.log(np.maximum(guesses, 1e-9)) + noise).argmax(axis=1)
    return chosen


@cache
def frames() -> dict[str, dict[str, tuple[str, ...]]]:
    """The bank of frames: emotion, part, phrases with their choices spelt out."""
    bank = yaml.load(FRAMES.read_text("utf-8"), LOADER)
    return {
        emotion: {part: tuple(itertools.chain(*map(_spelt, lines.splitlines()))) for part, lines in parts.items()}
        for emotion, parts in bank.items()
    }


def _spelt(line: str) -> list[str]:
    """``so [happy|glad]!`` as the two phrases that it stands for."""
    pieces = re.split(r"[\[\]]", line)
    return ["".join(chosen) for chosen in itertools.product(*(piece.split("|") for piece in pieces))]


@cache
def _bank() -> tuple[pl.Series, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All phrases, and where those of a target and part begin and how many they are; (targets, parts) each."""
    phrases, first, many = [""], [], []
    for parts in (frames()[target] for target in TARGETS):
        for part in PARTS:
            first.append(0 if part == NONE else len(phrases))
            many.append(1 if part == NONE else len(parts[part]))
            phrases += [] if part == NONE else parts[part]
    shape = (len(TARGETS), len(PARTS))
    return pl.Series(phrases), np.array(first).reshape(shape), np.array(many).reshape(shape)


def _phrases(parts: pl.Series, target: npt.NDArray[np.int64], draws: Seeds) -> pl.Series:
    """A phrase of each part, drawn; empty for NONE."""
    phrases, first, many = _bank()
    part = parts.replace_strict(list(PARTS), list(range(len(PARTS))), return_dtype=pl.Int64).to_numpy()
    return phrases.gather(first[target, part] + below(draws, many[target, part]))


def _check(texts: pl.Series, targets: pl.Series) -> None:
    if texts.is_null().any() or (texts.str.strip_chars() == "").any():
        raise ValueError("a text to rewrite is missing or empty")
    unknown = sorted(set(targets.fill_null("none")) - set(TARGETS))
    if unknown:
        raise ValueError(f"cannot rewrite into {', '.join(unknown)}: expected one of {', '.join(TARGETS)}")


def _sources(texts: pl.Series) -> pl.DataFrame:
    """Each text in parts (head, gap, rest: the first sentence, and what follows), and what frames must know of it."""
    text, head, it = pl.col("text"), pl.col("head"), pl.col("it")
    found = text.str.extract_groups(_FIRST_SENTENCE)
    split = pl.when(~found.struct[0].str.contains(_ABBREVIATION)).then(found).struct
    return (
        pl.DataFrame({"text": texts.str.strip_chars()})
        .with_columns(head=split[0].fill_null(text), gap=split[1].fill_null(""), rest=split[2].fill_null(""))
        .with_columns(it=text.str.extract(_TOPIC))
        .with_columns(
            it=pl.when(~it.str.contains(_NO_TOPIC)).then(it).fill_null("this"),
            casual=text == text.str.to_lowercase(),
            asks_first=head.str.contains(r"\?\W*$"),
            asks_last=text.str.contains(r"\?\W*$"),
            starts=head.str.contains(rf"(?i)^(?:{_STARTERS})\b"),
            speaks=head.str.contains(r"^(?i:I|I'\w+|I’\w+)\b"),
        )
    )


def _fit() -> list[pl.Expr]:
    """The form as this text can bear it: only a statement is led into, a question grows no tail, and a long text is
    framed on all sides, or it would stay a near-duplicate of its source.
    """
    opening, middle, closing = (pl.col(slot) for slot in SLOTS)
    bears_lead = (pl.col("starts") | pl.col("speaks")) & ~pl.col("asks_first")
    long, longer = (pl.col("text").str.count_matches(r"\s+") > words for words in (LONG, LONGER))
    return [
        pl.when((opening == "lead") & ~bears_lead)
        .then(pl.when("asks_first").then(pl.lit("ask")).otherwise(pl.lit("before")))
        .when((opening == NONE) & long)
        .then(pl.lit("before"))
        .otherwise(opening)
        .alias("opening"),
        pl.when(pl.col("rest") == "")
        .then(pl.lit(NONE))
        .when((middle == NONE) & longer)
        .then(pl.lit("between"))
        .otherwise(middle)
        .alias("middle"),
        pl.when(((closing == "tail") & pl.col("asks_last")) | ((closing == NONE) & long))
        .then(pl.lit("after"))
        .otherwise(closing)
        .alias("closing"),
    ]


def _filled() -> list[pl.Expr]:
    """The phrases, about what the text is about, and in lower case where the text is."""
    it = pl.col("it").str.slice(0, 1).str.to_lowercase() + pl.col("it").str.slice(1)
    capital = pl.col("it").str.slice(0, 1).str.to_uppercase() + pl.col("it").str.slice(1)
    named = {
        slot: pl.col(f"{slot}_words").str.replace("{it}", it, literal=True).str.replace("{It}", capital, literal=True)
        for slot in SLOTS
    }
    return [
        pl.when("casual").then(words.str.to_lowercase()).otherwise(words).alias(f"{slot}_words")
        for slot, words in named.items()
    ]


def _rewrite() -> pl.Expr:
    opening, middle, closing = (pl.col(slot) for slot in SLOTS)
    before, between, after = (pl.col(f"{slot}_words") for slot in SLOTS)
    head, rest = pl.col("head"), pl.col("rest")
    led = pl.when((opening == "lead") & pl.col("starts")).then(_lowered(head)).otherwise(head)
    body = (
        pl.when(opening == NONE).then(led).otherwise(before + " " + led)
        + pl.when(middle == NONE).then(pl.lit("")).otherwise(" " + between)
        + pl.col("gap")
        + rest
    )
    ended = pl.when(body.str.contains(r"[.!?…:;)\]\"'*~]$")).then(body).otherwise(body + ".")
    return (
        pl.when(closing == "tail")
        .then(body.str.replace(r"[\s.!…]+$", "") + after)
        .when(closing == "after")
        .then(ended + " " + after)
        .otherwise(body)
        .alias("rewrite")
    )


def _lowered(text: pl.Expr) -> pl.Expr:
    return text.str.slice(0, 1).str.to_lowercase() + text.str.slice(1)


def _frame() -> pl.Expr:
    """Which edits were made, for people: ``before: Love it! | tail: , lol``."""
    said = [pl.when(pl.col(slot) != NONE).then(pl.col(slot) + ": " + pl.col(f"{slot}_words")) for slot in SLOTS]
    return pl.concat_str(said, separator=" | ", ignore_nulls=True).alias("frame")
