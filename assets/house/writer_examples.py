"""What the writer learns from: people's comments, each asked for by its emotion, length and topic, or by its own rest.

Nobody wrote the same comment twice, once calm and once moved. So pairs are made from one side: a comment that shows an
emotion is the answer, and what is left of it when the words that carry the emotion are taken out is what was to be
rewritten. The answers are people's own, and hold every word of what they rewrite.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import polars as pl

from corpusmith.assets.house import language_text as material
from corpusmith.curate.similarity import FUNCTION_WORDS
from corpusmith.emotions import EMOTIONS
from corpusmith.models.text import prompts
from corpusmith.models.text.adapted_writer import topics
from corpusmith.models.text.classify import predict

Row = TypeVar("Row")

SEED: Final = 20261
WORDS: Final = (3, 45)  # of an answer
FEWEST_ROWS: Final = 5  # in which a word stands that is said to carry an emotion
CARRIES: Final = 0.9  # how much likelier a word is in comments of the emotion than in neutral ones, as a logarithm
MOST_TAKEN: Final = 0.5  # of the words of a comment
FEWEST_LEFT: Final = 3  # words to rewrite
NO_TOPIC: Final = 0.2  # share of the comments that are asked for without one
TWO_TOPICS: Final = 0.4  # of the others, with two
TIMES: Final = 3  # that a comment of a rare emotion is read, at most
PER_EMOTION: Final = 700  # comments to write, and as many to rewrite; neutral: half as many, and none to rewrite
SHOWN: Final = 0.4  # what the guide must see of the emotion in an answer
GAINED: Final = 0.25  # by which it must see more in the answer than in what was to be rewritten
GUIDE: Final = "house/emotion-guide"  # which never judges a release

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[\U0001f300-\U0001faff\u2764]")
_CLAUSE: Final = re.compile(r"(?<=[.!?;,:…])\s+|\s+(?=(?:but|and|because|cause|so|though|although|lol|haha)\b)")
_LED: Final = re.compile(r"^(?:but|and|because|cause|so|though|although)\s+|^[\s,;:.…-]+", re.IGNORECASE)
_FUNCTION: Final = frozenset(FUNCTION_WORDS.split())


def texts(data: Path) -> pl.DataFrame:
    """``text`` and ``emotion`` of GoEmotions' training rows, once for each emotion, and of posts for the rare ones."""
    labelled = material.goemotions(data / "goemotions" / "ekman" / "train.tsv")
    weak = material.weakly_labelled(material.posts(data / "reddit_top_posts" / "data"), labelled)
    own = labelled.explode("labels").select("text", emotion="labels")
    few = own.group_by("emotion").len().filter(pl.col("len") < 2 * PER_EMOTION)["emotion"]
    more = weak.filter(pl.col("emotion").is_in(few.implode())).group_by("emotion", maintain_order=True).head(1000)
    length = pl.col("text").str.count_matches(r"\S+")
    every = pl.concat([own, more.select("text", "emotion")]).filter(length.is_between(*WORDS))
    return every.unique(maintain_order=True)


def held_out(data: Path, carrying: Mapping[str, frozenset[str]]) -> pl.DataFrame:
    """The same examples of GoEmotions' development rows."""
    rows = material.goemotions(data / "goemotions" / "ekman" / "dev.tsv").explode("labels")
    return examples(rows.select("text", emotion="labels"), carrying)


def shown(texts: list[str], emotion: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """How much of an emotion the guide sees in each text, (n,)."""
    return predict(GUIDE, texts)[:, EMOTIONS.index(emotion)]


def carriers(labelled: pl.DataFrame) -> dict[str, frozenset[str]]:
    """The words that carry each emotion: in FEWEST_ROWS of its rows or more, and likelier there by CARRIES."""
    words = labelled.select("emotion", word=pl.col("text").map_elements(_words, pl.List(pl.String))).explode("word")
    rows = words.group_by("emotion", "word").len().pivot("emotion", index="word", values="len").fill_null(0)
    every = dict(labelled.group_by("emotion").len().rows())
    found = {}
    for emotion in EMOTIONS:
        if emotion != "neutral":
            share, calm = ((rows[name] + 1) / (every[name] + 2) for name in (emotion, "neutral"))
            bears = (rows[emotion] >= FEWEST_ROWS) & ((share / calm).log() >= CARRIES)
            found[emotion] = frozenset(rows.filter(bears)["word"]) - _FUNCTION
    return found


def rest(text: str, carrying: frozenset[str]) -> str | None:
    """What is left of a comment without what carries its emotion: the other clauses, else the other words.

    None where too little would be left, or nothing carries it.
    """
    clauses = _CLAUSE.split(text)
    calm = [clause for clause in clauses if carrying.isdisjoint(_words(clause))]
    if 0 < len(calm) < len(clauses) and len(" ".join(calm).split()) >= FEWEST_LEFT:
        return _tidy(" ".join(calm), text)
    words = text.split()
    kept = [word for word in words if carrying.isdisjoint(_words(word))]
    if len(kept) == len(words) or len(kept) < max(FEWEST_LEFT, (1 - MOST_TAKEN) * len(words)):
        return None
    return _tidy(" ".join(kept), text)


def topic(text: str, carrying: frozenset[str], draw: np.random.Generator) -> str:
    """One or two of a comment's content words that carry no emotion, or none."""
    words = [word for word in topics(pl.Series([text]))[0] if word not in carrying]
    if not words or draw.random() < NO_TOPIC:
        return ""
    chosen = draw.permutation(len(words))[: 1 + int(draw.random() < TWO_TOPICS)]
    return " and ".join(words[place] for place in sorted(chosen))


def examples(labelled: pl.DataFrame, carrying: Mapping[str, frozenset[str]]) -> pl.DataFrame:
    """What is asked, and answered, in an order that was drawn: ``asked``, ``answer``, ``kind``, ``emotion``."""
    parts: list[tuple[str, str, str, str]] = []
    for number, emotion in enumerate(EMOTIONS):
        rows = labelled.filter(pl.col("emotion") == emotion)["text"].to_list()
        draw = np.random.default_rng([SEED, number])
        neutral = emotion == "neutral"
        words = frozenset[str]() if neutral else carrying[emotion]
        for text in _drawn(_clear(rows, emotion), PER_EMOTION // (1 + neutral), draw):
            asked = prompts.control(emotion, len(text.split()), topic(text, words, draw))
            parts.append((asked, text, "write", emotion))
        for source, text in [] if neutral else _drawn(pairs(rows, emotion, words), PER_EMOTION, draw):
            parts.append((prompts.control_rewrite(source, emotion, len(text.split())), text, "rewrite", emotion))
    order = np.random.default_rng(SEED).permutation(len(parts))
    return pl.DataFrame([parts[place] for place in order], schema=["asked", "answer", "kind", "emotion"], orient="row")


def pairs(rows: list[str], emotion: str, carrying: frozenset[str]) -> list[tuple[str, str]]:
    """What is left of each comment, and the comment, where the guide sees that the emotion went with the rest."""
    found = [(source, text) for text in _clear(rows, emotion) if (source := rest(text, carrying)) is not None]
    if not found:
        return []
    before, after = (shown(list(side), emotion) for side in zip(*found, strict=True))
    return [pair for pair, gain in zip(found, after - before, strict=True) if gain >= GAINED]


def _clear(rows: list[str], emotion: str) -> list[str]:
    return [text for text, share in zip(rows, shown(rows, emotion), strict=True) if share >= SHOWN]


def _drawn(rows: list[Row], wanted: int, draw: np.random.Generator) -> list[Row]:
    """So many of the rows, each as often as the others, and none more than TIMES."""
    order = [int(place) for _ in range(TIMES) for place in draw.permutation(len(rows))]
    return [rows[place] for place in order[:wanted]]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _tidy(rest: str, text: str) -> str:
    """A comment's rest as one begins and ends a comment: no conjunction or comma at its ends, a capital as before."""
    bare = _LED.sub("", rest).rstrip(" ,;:-")
    return bare[:1].upper() + bare[1:] if text[:1].isupper() else bare
