"""Put a neutral comment into an emotion and keep its own words: edits in and around them, chosen with a guide."""

from __future__ import annotations

import hashlib
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
from corpusmith.models.text.grammar import Grammar
from corpusmith.work.draws import STEP, Seeds, mix, uniform
from corpusmith.work.plan import fingerprint, seeds
from corpusmith.yaml_file import LOADER

VERSION: Final = 2  # of how a text is edited: raise it when that changes
FRAMES: Final = Path(__file__).with_name("frames.yaml")
TARGETS: Final = tuple(emotion for emotion in EMOTIONS if emotion != "neutral")
REWRITE: Final = pa.schema(
    [pa.field("rewrite", pa.string()), pa.field("frame", pa.string()), pa.field("guide", pa.float32())]
)

PARTS: Final = ("before", "lead", "epithet", "aside", "after", "tail")
"""What may be added to a clause: in front of it, inside it, and behind it."""
PLACES: Final = ("front", "inside", "back")
WORDS_AN_EDIT: Final = 15
"""One edit, and another for each so many words: fewer, and a long rewrite stays a near-duplicate of its source."""
LIKELY: Final = {"front": (0.15, 0.5), "inside": (3.0, 3.0), "back": (0.15, 0.5)}
"""How readily a place is taken (with a sentence of its own, and with words that grow into the source's own)."""
OTHER: Final = {"front": 0.75, "inside": 0.25, "back": 0.75}
"""How often the second of a place's two parts is taken, where both fit."""
SURE: Final = 0.5
"""Of the target; a candidate of which the guide is surer is liked no better, so that no phrase is everybody's best."""
A_WORD_MORE: Final = 0.82
"""How a candidate is liked for each word that it adds, beside one without that word."""

# A clause ends at the end of a sentence or line, or at a comma; a few letters are none.
_CLAUSE: Final = r"(?s).{12,}?(?:[\p{L}\p{N})'\"]{2}[.!?…]+\s+|\p{L}[,;]\s+|\s*\n\s*)|.+"
_ENDS: Final = r"(?:[.!?…]+[)'\"]*|\n)\s*$|\n"
_ABBREVIATION: Final = r"\b(?:[Dd]r|[Mm]rs?|[Mm]s|[Ss]t|vs|etc|[Nn]o|[Pp]rof|[JS]r)\.\s*$"
# How a statement begins that may go on after other words, and so lose its capital.
_STARTERS: Final = (
    "a|an|the|this|that|these|those|it|its|there|he|she|they|we|you|my|our|your|his|her|their|some|most|many|both|each|"
    "every|all|one|two|if|when|in|on|at|for|from|by|with|as|it's|that's|there's|they're|we're|you're"
)
_VERB: Final = (
    r"(?i)\b(?:is|are|was|were|am|has|have|had|does|do|did|can|could|will|would|should|may|might|must|got|\p{L}+n['’]t|"
    r"takes?|makes?|needs?|says?|said|means?|goes|went|gets?|seems?|\p{L}{3,}ed)\b|\p{L}['’](?:s|re|m|ve|ll|d)\b"
)
_DETERMINED: Final = r"\b([Tt]he|[Mm]y|[Oo]ur|[Yy]our|[Hh]is|[Tt]heir|[Aa]n?) (\p{Ll}{3,})\b"
_UNDESCRIBED: Final = (
    r"\b([Tt]he|[Mm]y|[Oo]ur|[Yy]our|[Hh]is|[Tt]heir|[Aa]n?) ((?:same|others?|next|first|second|third|last|rest|end|"
    r"start|middle|beginning|whole|only|most|best|better|worse|worst|ones?|ways?|times?|days?|weeks?|years?|fact|point|case|"
    r"part|lot|lots|bit|few|couple|little|while|more|less|fewer|very|really|pretty|quite|rather|such|own|former|latter|above|"
    r"following|right|two|three|four|five|ten|hundred|thousand|dozen|number|kind|sort|type|matter|\p{Ll}+ly|\p{Ll}+est)\b)"
)
_SUBJECT: Final = "I|[Ii]t|[Hh]e|[Ss]he|[Tt]hey|[Ww]e|[Yy]ou|[Tt]here|[Tt]hat|[Tt]his|[Ww]hich"
_COMMENTED: Final = (
    rf"\b(?:((?:{_SUBJECT}) (?:is|was|are|were|am)|(?:{_SUBJECT}|[Ww]ho)['’](?:s|re|m)) ([\p{{L}}\p{{N}}])|"
    r"(I) ((?:have|had|think|thought|know|knew|don['’]t|didn['’]t|can['’]t|do|did|used?|got|want|wanted|tried|went|see|"
    r"saw|read|found|bought|swapped|took|made|guess|believe)\b)|"
    rf"(and|but|because) ((?:{_SUBJECT}|the|my|our|his|their)\b))"
)
_TOPIC: Final = (
    r"\b((?:[Tt]he|[Mm]y|[Oo]ur|[Hh]is|[Hh]er|[Tt]heir) (?:\p{Ll}+ ){0,2}?\p{Ll}{3,})"
    r"(?: (?:is|was|has|had|takes|needs|in|on|at|for|with|and|from|until|before|after|when|because|but)\b|[.,!?;:])"
)
_NO_TOPIC: Final = (
    r"\b(?:same|other|others|next|first|second|last|rest|end|start|middle|beginning|whole|only|most|best|one|ones|way|"
    r"time|times|day|days|week|weekend|month|year|years|morning|evening|night|fact|point|case|part|lot|thing|things|"
    r"reason|question|answer|comment|post|thread)$|\b(?:same|other|whole|only|most|way)\b"
)
_HERE, _NOT = "\x02", "\x03"  # marks of where an edit begins, and of where none may


class HouseRewriter:
    """Rewrites ``text`` so that it reads as ``target``, one of TARGETS, with words of a grammar of the project's own.

    Each row draws so many candidates by its key; the guide reads them all, and one is drawn among them, the likelier
    the surer the guide is of the target, up to SURE, and the fewer words it adds: to the power of ``sharpness``. The
    guide should not be who judges the result.
    """

    name = "emotion-rewriter"
    inputs = ("text", "target")
    schema = REWRITE

    def __init__(
        self, guide: str = "house/emotion-guide", candidates: int = 12, sharpness: float = 2.0, batch_rows: int = 2048
    ) -> None:
        self.guide, self.candidates, self.sharpness, self.batch_rows = guide, candidates, sharpness, batch_rows

    @cached_property
    def _settings(self) -> dict[str, Any]:
        frames = hashlib.sha256(FRAMES.read_bytes()).hexdigest()
        drawn = {"candidates": self.candidates, "sharpness": self.sharpness}
        return {**drawn, "sure": SURE, "a_word_more": A_WORD_MORE, "frames": frames, "version": VERSION}

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
        added = _words(tried["rewrite"]) - np.repeat(_words(texts), self.candidates)
        liked = (np.minimum(guesses, SURE) * A_WORD_MORE**added).reshape(len(texts), self.candidates)
        chosen = np.arange(len(texts)) * self.candidates + choose(liked, drawn, self.sharpness)
        made = (
            tried[chosen].with_columns(guide=pl.Series(guesses[chosen])).to_arrow(compat_level=pl.CompatLevel.oldest())
        )
        return made.cast(REWRITE).combine_chunks().to_batches()[0]


def candidates(texts: pl.Series, targets: pl.Series, drawn: Seeds, number: int) -> pl.DataFrame:
    """So many rewrites of each text, one after the other: columns rewrite and frame, (texts × number) rows.

    Raises ValueError for a text that is missing or empty, or a target that is not one of TARGETS.
    """
    _check(texts, targets)
    draws = (mix(drawn)[:, None] + STEP * np.arange(number, dtype=np.uint64)).ravel()
    sources = _sources(texts)
    clauses = _clauses(sources, number)
    owner = clauses["candidate"].to_numpy()
    own = mix(draws[owner] + STEP * clauses["clause"].to_numpy().astype(np.uint64))
    place, part, phrase = np.split(own[:, None] + STEP * np.arange(9, dtype=np.uint64), 3, axis=1)
    target = np.array([TARGETS.index(target) for target in targets])[owner // number]
    edits = np.maximum(1, np.floor(np.repeat(_words(texts), number) / WORDS_AN_EDIT + uniform(draws)))
    parts = _parts(clauses, _chosen(clauses, place, edits[owner]), part)
    phrases = {f"{name}_words": _phrases(parts[name], target, phrase[:, at]) for at, name in enumerate(PLACES)}
    edited = clauses.hstack(parts).with_columns(**phrases).with_columns(_filled())
    made = edited.with_columns(edited=_edited(), frame=_frame()).group_by("candidate", maintain_order=True)
    return made.agg(
        rewrite=pl.col("edited").str.join("").str.strip_chars_end(),
        frame=pl.col("frame").filter(pl.col("frame") != "").str.join(" | "),
    ).drop("candidate")


def choose(liked: npt.NDArray[np.floating[Any]], drawn: Seeds, sharpness: float) -> npt.NDArray[np.int64]:
    """One column of each row, drawn by its seed in proportion to liked ** sharpness; (n, k) to (n,)."""
    places = np.arange(liked.shape[1], dtype=np.uint64)
    noise = -np.log(-np.log(uniform(mix(mix(drawn))[:, None] + STEP * places)))  # Gumbel: its argmax is a draw
    chosen: npt.NDArray[np.int64] = (sharpness * np.log(np.maximum(liked, 1e-9)) + noise).argmax(axis=1)
    return chosen


@cache
def frames() -> Grammar:
    """The bank of phrases, by part (the symbol) and emotion (the topic, in the order of TARGETS)."""
    bank = yaml.load(FRAMES.read_text("utf-8"), LOADER)
    read = {name: {slot: lines.splitlines() for slot, lines in slots.items()} for name, slots in bank.items()}
    return Grammar(read["common"], {target: read[target] for target in TARGETS})


def _words(texts: pl.Series) -> npt.NDArray[np.int64]:
    return texts.str.count_matches(r"\S+").cast(pl.Int64).to_numpy()


def _phrases(parts: pl.Series, target: npt.NDArray[np.int64], draws: Seeds) -> pl.Series:
    """A phrase of each part, drawn; empty where there is none."""
    bank = frames()
    found = parts.is_not_null().arg_true()
    symbols = parts.gather(found).replace_strict({part: bank.symbol(part) for part in PARTS}, return_dtype=pl.Int64)
    written = pl.Series(bank.write(symbols.to_numpy(), target[found], draws[found]), dtype=pl.String)
    return pl.repeat("", len(parts), eager=True).scatter(
        found, written.str.replace_all(" {2,}", " ").str.replace_all(r"([?!])[.!]+", "$1").str.strip_chars()
    )


def _check(texts: pl.Series, targets: pl.Series) -> None:
    if texts.is_null().any() or (texts.str.strip_chars() == "").any():
        raise ValueError("a text to rewrite is missing or empty")
    unknown = sorted(set(targets.fill_null("none")) - set(TARGETS))
    if unknown:
        raise ValueError(f"cannot rewrite into {', '.join(unknown)}: expected one of {', '.join(TARGETS)}")


def _sources(texts: pl.Series) -> pl.DataFrame:
    """Each text, and what its edits must know of it: what it is about, whether it has capitals."""
    text = pl.col("text")
    it = text.str.extract(_TOPIC)
    return pl.DataFrame({"text": texts.str.strip_chars()}).with_columns(
        it=pl.when(~it.str.contains(_NO_TOPIC))
        .then(it.str.slice(0, 1).str.to_lowercase() + it.str.slice(1))
        .fill_null("this"),
        casual=text == text.str.to_lowercase(),
    )


def _clauses(sources: pl.DataFrame, number: int) -> pl.DataFrame:
    """The clauses of each text, ``number`` times: body and gap, which put together are the text; and what fits them."""
    clause, body = pl.col("text"), pl.col("body")
    once = (
        sources.with_row_index("source")
        .with_columns(text=clause.str.extract_all(_CLAUSE))
        .explode("text")
        .with_columns(
            clause=pl.int_range(pl.len()).over("source"),
            last=pl.int_range(pl.len()).over("source") == pl.len().over("source") - 1,
            body=clause.str.strip_chars_end(),
        )
        .with_columns(
            gap=clause.str.slice(body.str.len_chars()),
            ends=pl.col("last") | (clause.str.contains(_ENDS) & ~clause.str.contains(_ABBREVIATION)),
            quoted=body.str.contains(r"^\s*(?:>|\*|-)"),
            asks=body.str.contains(r"\?\W*$"),
        )
        .with_columns(begins=pl.col("ends").shift(1, fill_value=True).over("source"))
        .with_columns(_fit())
    )
    trials = pl.DataFrame({"trial": np.arange(number)})
    return (
        once.join(trials, how="cross")
        .with_columns(candidate=pl.col("source").cast(pl.Int64) * number + pl.col("trial"))
        .sort("candidate", "clause")
    )


def _fit() -> list[pl.Expr]:
    """Which parts a clause can bear: only a statement is led into, and a question grows no tail."""
    body, free = pl.col("body"), ~pl.col("quoted")
    speaks = body.str.contains(rf"^(?:I\b|(?i:{_STARTERS})\b)") & body.str.contains(_VERB)
    return [
        (pl.col("begins") & (free | (pl.col("clause") == 0))).alias("before"),
        (pl.col("begins") & free & speaks & ~pl.col("asks")).alias("lead"),
        (_open(body).str.contains(_DETERMINED) & free).alias("epithet"),
        (body.str.contains(_COMMENTED) & free).alias("aside"),
        (pl.col("ends") & (free | pl.col("last"))).alias("after"),
        (pl.col("ends") & free & ~pl.col("asks") & body.str.contains(r"[\p{L}\p{N}][\s.!…]*$")).alias("tail"),
    ]


def _open(body: pl.Expr) -> pl.Expr:
    """The text with a mark where a noun that bears no epithet has its article."""
    return body.str.replace_all(_UNDESCRIBED, f"${{1}} {_NOT}${{2}}")


def _chosen(clauses: pl.DataFrame, draws: Seeds, edits: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which places of each clause are edited, as many of a candidate's as it is to have; (clauses, places)."""
    pairs = [
        (clauses[standing].to_numpy(), clauses[growing].to_numpy())
        for standing, growing in zip(PARTS[::2], PARTS[1::2], strict=True)
    ]
    likely = [
        np.where(growing, LIKELY[place][1], np.where(standing, LIKELY[place][0], 0.0))
        for place, (standing, growing) in zip(PLACES, pairs, strict=True)
    ]
    weights = np.stack(likely, axis=1)
    # a draw without replacement in proportion to the weights (Efraimidis and Spirakis 2006)
    order = np.where(weights > 0, np.log(uniform(draws)) / np.maximum(weights, 1e-9), -np.inf).ravel()
    owner = np.repeat(clauses["candidate"].to_numpy(), len(PLACES))
    ranked = np.lexsort((-order, owner))
    rank = np.empty(len(order), dtype=np.int64)
    rank[ranked] = np.arange(len(order)) - np.searchsorted(owner, owner[ranked])
    return ((rank < np.repeat(edits, len(PLACES))) & np.isfinite(order)).reshape(weights.shape)


def _parts(clauses: pl.DataFrame, chosen: npt.NDArray[np.bool_], draws: Seeds) -> pl.DataFrame:
    """The part that stands in each place of each clause, null where there is none; columns PLACES."""
    found = {}
    for at, place in enumerate(PLACES):
        one, other = pl.col(PARTS[2 * at]), pl.col(PARTS[2 * at + 1])
        turned = pl.Series("turned", uniform(draws[:, at]) < OTHER[place])
        found[place] = (
            clauses.with_columns(turned, chosen=pl.Series(chosen[:, at]))
            .select(
                pl.when("chosen").then(
                    pl.when(other & (pl.col("turned") | ~one))
                    .then(pl.lit(PARTS[2 * at + 1]))
                    .otherwise(pl.lit(PARTS[2 * at]))
                )
            )
            .to_series()
        )
    return pl.DataFrame(found)


def _filled() -> list[pl.Expr]:
    """The phrases, about what the text is about, and with capitals where the text has them."""
    words = {place: pl.col(f"{place}_words").str.replace_all("<it>", pl.col("it"), literal=True) for place in PLACES}
    starts = {"front": pl.lit(True), "inside": pl.lit(False), "back": pl.col("back") == "after"}
    return [
        pl.when("casual")
        .then(said.str.to_lowercase())
        .when(starts[place])
        .then(_raised(said))
        .otherwise(said)
        .alias(f"{place}_words")
        for place, said in words.items()
    ]


def _edited() -> pl.Expr:
    """The clause with what was put into it."""
    front, inside, back = (pl.col(place) for place in PLACES)
    before, within, after = (pl.col(f"{place}_words") for place in PLACES)
    body = pl.col("body")
    described = (
        _open(body)
        .str.replace(_DETERMINED, "${1} " + _HERE + within + " ${2}")
        .str.replace(rf"\b([Aa])n? {_HERE}([aeiou])", "${1}n ${2}")
        .str.replace(rf"\b([Aa])n {_HERE}([^aeiou])", "${1} ${2}")
        .str.replace_all(f"[{_HERE}{_NOT}]", "")
    )
    spaced = pl.when(within.str.starts_with(",")).then(within).otherwise(" " + within)
    commented = body.str.replace(_COMMENTED, "${1}${3}${5}" + spaced + " ${2}${4}${6}")
    inner = pl.when(inside == "epithet").then(described).when(inside == "aside").then(commented).otherwise(body)
    led = pl.when(front == "lead").then(_lowered(inner)).otherwise(inner)
    opened = pl.when(front.is_null()).then(led).otherwise(before + " " + led)
    ended = pl.when(opened.str.contains(r"[.!?…:;)\]\"'*~]$")).then(opened).otherwise(opened + ".")
    return (
        pl.when(back == "tail")
        .then(
            opened.str.replace(r"[\s.!…]+$", "")
            + pl.when(after.str.contains(r"^[\w:=<-]")).then(" " + after).otherwise(after)
        )
        .when(back == "after")
        .then(ended + " " + after)
        .otherwise(opened)
    ) + pl.col("gap")


def _lowered(text: pl.Expr) -> pl.Expr:
    """With a small first letter, but for "I"."""
    return (
        pl.when(text.str.contains(r"^I\b"))
        .then(text)
        .otherwise(text.str.slice(0, 1).str.to_lowercase() + text.str.slice(1))
    )


def _raised(text: pl.Expr) -> pl.Expr:
    return text.str.slice(0, 1).str.to_uppercase() + text.str.slice(1)


def _frame() -> pl.Expr:
    """Which edits were made, for people: ``before: Love it! | tail: , lol``."""
    said = [
        pl.when(pl.col(place).is_not_null()).then(pl.col(place) + ": " + pl.col(f"{place}_words")) for place in PLACES
    ]
    return pl.concat_str(said, separator=" | ", ignore_nulls=True)
