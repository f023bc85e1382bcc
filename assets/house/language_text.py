"""What the house language model reads: GoEmotions, public-domain posts, and the project's own phrase bank."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl

from corpusmith.assets.house import phrases
from corpusmith.emotions import EMOTIONS

GOEMOTIONS_LABELS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")  # order of ekman/labels.txt
PHRASES_PER_EMOTION = 4_000
WEAK_PER_EMOTION = 6_000
LONGEST_WORDS = 40
SEED = 20261

NAMES = [
    "Alex", "Sam", "Chris", "Jordan", "Taylor", "Jamie", "Casey", "Robin", "Morgan", "Drew",
    "Lee", "Kim", "Pat", "Jesse", "Riley", "Charlie", "Max", "Ben", "Anna", "Maria",
    "John", "Mike", "Sarah", "Emma", "Dave", "Tom", "Kate", "Nick", "Laura", "Dan",
    "Matt", "Steve", "Lisa", "Paul", "Amy", "Mark", "Jack", "Julia", "Ryan", "Kevin",
]  # fmt: skip
CREEDS = ["Christian", "Muslim", "Catholic", "Buddhist", "religious"]

# A line with an address, a name, markup or Reddit's own furniture is left out, not mended: there are enough others.
_FURNITURE = re.compile(
    r"https?:|www\.|\.(com|org|net)\b|@\w|\b/?[ru]/\w|[\[\]|^*_<>~#=\\]|&\w+;|x-?post|repost|tl;?\s?dr|\bedit\b|nsfw|upvote"
    r"|subreddit|reddit|\bop\b|\d{5}|imgur|youtube",
    re.IGNORECASE,
)
_UNFIT = re.compile(
    r"\bn[i1]gg|\bf[a@]gg?|\bretard|\btrann|\bkike|\bchink|\brape|\braping|\bpedo|\bmolest|suicid"
    r"|kill (my|him|her|your)sel|\bslut|\bwhore|\bcunt|\bcum\b|\bporn|\bnazi|\bhitler|\bjews?\b|self.?harm|underage"
    r"|\bdick|\bpenis|vagina|\borgasm|blow ?job|masturbat",
    re.IGNORECASE,
)
_STRANGE = re.compile(r"[^\x20-\x7e\u2018\u2019\u201c\u201d\u2026\u2014\U0001f300-\U0001faff\u2764\ufe0f]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


def goemotions(path: Path) -> pl.DataFrame:
    """GoEmotions rows: ``text``, ``labels`` (list of emotions); masks replaced by names, rows with furniture left out.

    ``path`` is a TSV of text, comma-separated label numbers and comment id, without a header.
    """
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]
    texts = [_plain(text, number) for number, (text, _, _) in enumerate(lines)]
    labels = [[GOEMOTIONS_LABELS[int(label)] for label in labels.split(",")] for _, labels, _ in lines]
    return pl.DataFrame({"text": texts, "labels": labels}).filter(pl.col("text") != "")


def posts(folder: Path) -> pl.DataFrame:
    """Segments of 4 to 40 words from titles and bodies of public-domain top posts: ``text``; unfit lines left out."""
    segments: dict[str, None] = {}
    for file in sorted(folder.glob("*.csv")):
        rows = pl.read_csv(file, infer_schema=False).filter(pl.col("over_18") != "True")
        for title, body in rows.select("title", pl.col("selftext").fill_null("")).iter_rows():
            segments.update(dict.fromkeys(_segments(f"{title}\n{body}")))
    return pl.DataFrame({"text": list(segments)})


def bank() -> pl.DataFrame:
    """The phrase bank's comments: ``text``, ``emotion``."""
    return pl.concat(
        pl.DataFrame({"text": phrases.comments(emotion, PHRASES_PER_EMOTION, SEED)}).with_columns(
            emotion=pl.lit(emotion)
        )
        for emotion in EMOTIONS
    )


def weakly_labelled(texts: pl.DataFrame, labelled: pl.DataFrame) -> pl.DataFrame:
    """The texts that a TF-IDF logistic regression, fitted to GoEmotions, is surest of: ``text``, ``emotion``."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    features = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    judge = LogisticRegression(C=3.0, class_weight="balanced", max_iter=200)
    single = labelled.filter(pl.col("labels").list.len() == 1)
    judge.fit(features.fit_transform(single["text"]), single["labels"].list.first().to_numpy())
    sureness = judge.predict_proba(features.transform(texts["text"]))
    return (
        texts.with_columns(
            emotion=pl.Series(judge.classes_[sureness.argmax(axis=1)].tolist()),
            sureness=pl.Series(sureness.max(axis=1)),
        )
        .filter(pl.col("sureness") > 0.5)
        .sort("sureness", descending=True)
        .group_by("emotion", maintain_order=True)
        .head(WEAK_PER_EMOTION)
        .select("text", "emotion")
    )


def _plain(text: str, number: int) -> str:
    """GoEmotions text with its masks filled and quotes straight, or "" when it is unfit."""
    draw = np.random.default_rng([SEED, number])
    text = re.sub(r"\[NAME\]", lambda _: str(draw.choice(NAMES)), text)
    text = re.sub(r"\[RELIGION\]", lambda _: str(draw.choice(CREEDS)), text)
    return _clean(text)


def _clean(text: str) -> str:
    text = text.replace("\u2019", "'").replace("\u2018", "'").replace("\u201c", '"').replace("\u201d", '"')
    text = " ".join(text.split())
    return "" if _FURNITURE.search(text) or _UNFIT.search(text) or _STRANGE.search(text) else text


def _segments(post: str) -> Iterator[str]:
    """One or more whole sentences that follow each other, up to a length that varies from segment to segment."""
    sentences = [_clean(sentence) for sentence in _SENTENCE.split(post)]
    for fit, run in groupby(sentences, key=bool):
        if not fit:
            continue
        segment: list[str] = []
        for sentence in run:
            words = sentence.split()
            if segment and len(segment) + len(words) > 12 + len(words) * 7 % (LONGEST_WORDS - 12):
                yield from _fitting(segment)
                segment = []
            segment += words
        yield from _fitting(segment)


def _fitting(segment: list[str]) -> Iterator[str]:
    if 4 <= len(segment) <= LONGEST_WORDS:
        yield " ".join(segment)
