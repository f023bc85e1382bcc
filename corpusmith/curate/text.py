"""Clean comments and say of each whether it is kept, or rejected and why."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from corpusmith.curate.language import english
from corpusmith.curate.markup import normalise
from corpusmith.curate.people import without_people
from corpusmith.curate.privacy import pseudonyms, scrub
from corpusmith.curate.rows import changed_where, contains_any, matching

DELETED: Final = r"(?i)(?:^|\n\n)\s*\[\s*(?:deleted|removed|(?:deleted|removed) by [^\]\n]*)\s*\]\s*$|^\s*$"

BOTS: Final = (
    "automoderator",
    "autotldr",
    "b0trank",
    "gfy_mirror",
    "haikubot-1911",
    "imgurtranscriber",
    "livetwitchclips",
    "mentioned_videos",
    "redditsilverrobot",
    "repostsleuthbot",
    "sneakpeekbot",
    "stabbot",
    "timezone_bot",
    "totesmessenger",
    "trollabot",
    "tweetposter",
    "twitterlinkbot",
    "vredditdownloader",
    "wikipediasummary",
    "youtubefactsbot",
)
BOT_NAME: Final = (
    r"(?i)^(?:{})$|[-_]bot(?:[-_]?\d+)?$|^bot[-_]|(?-i)(?:[a-z0-9]Bot|[A-Za-z0-9]BOT)(?:[-_]?\d+)?$".format(
        "|".join(BOTS)
    )
)
BOT_WORDS: Final = ["bot", "boop", "automatic", "Bot", "BOT"]
BOT_TEXT: Final = (
    r"(?i)(?:^|[.!?|*()\]:;~\n-]\s*)(?:(?:beep|bleep|boop|bloop)[ ,.!-]*)*"
    r"(?:i am|i'm) (?:just |only )?an? (?:\w+ )?bot\b"
    r"|\b(?:beep[ ,.-]*boop|bleep[ ,.-]*bloop)\b"
    r"|\bthis (?:action|comment|message|reply) was (?:performed|posted|made|generated|left) automatically\b"
    r"|\bthis (?:is|was) an automated? (?:message|comment|reply|response)\b"
    r"|\bcontact (?:the |my )?(?:bot )?(?:owner|creator|author) of this bot\b"
    r"|\bthis bot (?:is|was) (?:made|created|run)\b"
)
BOILERPLATE_WORDS: Final = ["moderator", "removed", "submission", "rules"]
BOILERPLATE: Final = (
    r"(?i)\byour (?:submission|post|comment|link|thread)s? (?:has|have|was|were|is|are)(?: been)?(?: being)?"
    r"(?: automatically| temporarily)? (?:removed|deleted|locked|filtered)\b"
    r"|\bthis (?:submission|post|comment|thread) (?:has been|was|is)(?: automatically)? (?:removed|locked)"
    r" (?:for|because|as|due|from|by)\b"
    r"|\b(?:message|contact) the (?:mods|moderators|moderation team)(?: of this subreddit)?"
    r" (?:if|with|using|via|by|for)\b"
    r"|\b(?:please )?contact the moderators of this subreddit\b"
    r"|\bthank you for your submission\b"
    r"|\bplease (?:read|review|see|check) (?:our|the) (?:subreddit |submission |posting |full )?(?:rules|guidelines)\b"
)

WORD: Final = r"(?:^|\s)[^\w\s\[]*\w"
"""Starts a word: a run without white space that holds a letter or digit and is no typed token such as [URL]."""

FOREIGN_LETTER: Final = r"[\p{L}--[\x00-\x7F]]"


@dataclass(frozen=True)
class Rules:
    """What is fit: words at least, characters at most, and whether what is marked nsfw is kept.

    people: the spaCy model that finds names of people and street addresses (`people`); None: nobody looks for them.
    """

    min_words: int = 3
    max_characters: int = 4000
    nsfw: bool = False
    people: str | None = None


def clean(batch: pl.DataFrame, rules: Rules, salt: str) -> pl.DataFrame:
    """A comment for each row of ``batch`` (the columns of ingest's SCHEMA), in the same order.

    Columns: source, line, id, thread, author (salted hash or null), subreddit, created_utc, nsfw, raw, text (normalised
    and scrubbed; empty for a broken line), language (null where there is no text, or too little of it to tell), verdict
    (kept or rejected), reasons (list of codes of curate.verdicts: all that apply, none for a kept row).
    """
    raw = batch["raw"].fill_null("")
    gone = batch["broken"] | raw.str.contains(DELETED)
    normal = normalise(changed_where(raw, batch["broken"], _blank))
    text = scrub(normal)
    if rules.people:
        text = without_people(text, rules.people)
    too_short = ~gone & (~text.str.contains(_words(rules.min_words)))
    mute = gone | (too_short & ~text.str.contains(FOREIGN_LETTER))
    language, _ = english(changed_where(text, mute, _blank))
    cleaned = batch.select(
        "source",
        "line",
        "id",
        "thread",
        pseudonyms(batch["author"], salt).alias("author"),
        "subreddit",
        "created_utc",
        "nsfw",
        "raw",
        text.alias("text"),
        pl.when(~mute).then(language).alias("language"),
    )
    rejections = {
        "broken_line": batch["broken"],
        "deleted": gone & ~batch["broken"],
        "bot": batch["author"].str.contains(BOT_NAME).fill_null(False) | matching(normal, BOT_WORDS, BOT_TEXT),
        "boilerplate": _boilerplate(normal, batch["distinguished"] == "moderator"),
        "non_english": ~mute & (language != "en"),
        "too_short": too_short,
        "too_long": ~gone & (text.str.len_chars() > rules.max_characters),
        "nsfw": batch["nsfw"] & (not rules.nsfw),
    }
    reasons = _reasons(rejections)
    verdict = pl.when(reasons.list.len() > 0).then(pl.lit("rejected")).otherwise(pl.lit("kept"))
    return cleaned.with_columns(verdict.alias("verdict"), reasons)


def _reasons(rejections: dict[str, pl.Series]) -> pl.Series:
    """For each row the reasons that apply, by looking up its bits in a table of all combinations."""
    masks = np.array([applies.to_numpy() for applies in rejections.values()])
    bits = (1 << np.arange(len(rejections))) @ masks
    every = [[code for place, code in enumerate(rejections) if row >> place & 1] for row in range(1 << len(rejections))]
    return pl.Series("reasons", every, dtype=pl.List(pl.String)).gather(bits)


def _words(least: int) -> str:
    """Matches a text of so many words, as early as they are there."""
    return rf"(?s)(?:{WORD}.*?){{{least}}}"


def _boilerplate(texts: pl.Series, by_moderator: pl.Series) -> pl.Series:
    """A notice by its words; of what a moderator says as such, all that speaks of rules or removal."""
    official = by_moderator.fill_null(False) & contains_any(texts, BOILERPLATE_WORDS)
    return official | matching(texts, BOILERPLATE_WORDS, BOILERPLATE)


def _blank(texts: pl.Series) -> pl.Series:
    return pl.select(pl.repeat("", len(texts), dtype=pl.String)).to_series()
