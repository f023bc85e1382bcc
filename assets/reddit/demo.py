"""Write the demo dump: Reddit comments of our own making in Pushshift's format, with a known number of every defect."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import zstandard

from corpusmith.assets.reddit.grammar import Grammar, phrases
from corpusmith.errors import SettingsError
from corpusmith.work.draws import STEP, Seeds, below, mix

PHRASES = Path(__file__).with_name("demo_phrases")

PLANTED: Final[dict[str, float]] = {
    "deleted": 0.04,
    "removed": 0.02,
    "bot": 0.025,
    "other_language": 0.03,
    "too_short": 0.025,
    "too_long": 0.005,
    "nsfw": 0.015,
    "exact_duplicate": 0.03,
    "near_duplicate": 0.02,
    "email": 0.006,
    "phone": 0.005,
    "ip_address": 0.004,
    "card": 0.003,
    "url": 0.012,
    "user_name": 0.008,
    "broken_line": 0.003,
}
"""The share of the lines that has each defect; every other line is an ordinary comment."""

PERSONAL: Final[dict[str, str]] = {
    "email": "[EMAIL]",
    "phone": "[PHONE]",
    "ip_address": "[IP]",
    "card": "[CARD]",
    "url": "[URL]",
    "user_name": "[USER]",
}
"""Which of them are personal data, and the token that each should become; such comments are otherwise fit."""

FEWEST: Final = 40
NATURAL: Final[dict[str, int]] = {
    "neutral": 45,
    "joy": 25,
    "anger": 12,
    "sadness": 8,
    "surprise": 5,
    "fear": 2,
    "disgust": 3,
}
"""How many of a hundred ordinary comments are written in each emotion: about as uneven as real ones."""

LONG, ORDINARY = "story", "ordinary"
KINDS: Final = (ORDINARY, LONG, *PLANTED)
COPIES: Final = ("exact_duplicate", "near_duplicate")
FILES: Final = ("emotions", "planted", "topics_a", "topics_b")
FIRST_COMMENT, FIRST_THREAD = 34_359_738_368, 1_160_000_000
BLOCK_ROWS, THREADS = 12_000, 50
WINDOW_ROWS = 600  # lines in which THREADS threads run side by side
BEGAN, SECONDS = 1_551_398_400, 40  # 2019-03-01, and so many seconds from one comment to the next

LATER_KEYS: Final = (
    ',"all_awardings":[],"author_created_utc":null,"author_flair_background_color":null,"author_flair_richtext":[],'
    '"author_flair_template_id":null,"author_flair_text_color":null,"author_flair_type":"text","author_premium":false,'
    '"can_gild":true,"can_mod_post":false,"collapsed":false,"collapsed_reason":null,"is_submitter":false,'
    '"locked":false,"no_follow":true,"quarantined":false,"removal_reason":null,"send_replies":true,'
    '"subreddit_type":"public","total_awards_received":0,"over_18":'
)
"""What Reddit added to a comment after 2006: with these a line has 39 keys, without them 18."""


@dataclass(frozen=True)
class Layout:
    """What each line is: the number of its kind, and the line whose words it has (its own, but for copies); (n,)."""

    kinds: npt.NDArray[np.int8]
    words_of: npt.NDArray[np.int64]


def planted(comments: int) -> dict[str, int]:
    """How many of so many lines have each defect: at least one. Raises SettingsError below FEWEST lines."""
    if comments < FEWEST:
        raise SettingsError(f"reddit.demo.comments: expected {FEWEST} or more, found {comments}")
    return {kind: max(1, round(share * comments)) for kind, share in PLANTED.items()}


def write_demo_dump(path: Path, comments: int = 20_000, seed: int = 0) -> dict[str, int]:
    """Write a Zstandard-compressed dump of ``comments`` lines, and return how many there are of each kind.

    The lines are the same on every machine (the compressed bytes, with the same Zstandard). They are written block by
    block: memory does not grow with them, but for some twenty bytes a line while kinds are dealt out.

    Raises SettingsError below FEWEST lines.
    """
    layout = _layout(comments, seed)
    with path.open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as out:
        for lines in _lines(layout, seed):
            out.write((lines.str.join("\n").item() + "\n").encode())
    counts = planted(comments)
    return {ORDINARY: comments - sum(counts.values()), **counts}


def _layout(comments: int, seed: int) -> Layout:
    """Deal the kinds out over the lines; the first is ordinary, and every copy stands after its original."""
    counts = planted(comments)
    dealt = [*counts.items(), (LONG, counts["near_duplicate"])]
    kinds = np.zeros(comments, dtype=np.int8)
    shuffled = 1 + np.argsort(mix(_streams(np.arange(1, comments), "layout", seed)), kind="stable")
    numbers = np.concatenate([np.full(count, KINDS.index(kind), dtype=np.int8) for kind, count in dealt])
    kinds[shuffled[: len(numbers)]] = numbers
    words_of = np.arange(comments)

    near = KINDS.index("near_duplicate")
    pairs = np.flatnonzero((kinds == near) | (kinds == KINDS.index(LONG)))
    originals, copies = np.split(pairs, 2)
    kinds[originals], kinds[copies], words_of[copies] = KINDS.index(LONG), near, originals

    same = np.flatnonzero(kinds == KINDS.index("exact_duplicate"))
    fit = np.flatnonzero(kinds <= KINDS.index(LONG))
    words_of[same] = fit[below(_streams(same, "original", seed), np.searchsorted(fit, same))]
    return Layout(kinds, words_of)


def _lines(layout: Layout, seed: int) -> Iterator[pl.Series]:
    """The dump's lines, in blocks of whole windows."""
    for first in range(0, len(layout.kinds), BLOCK_ROWS):
        rows = np.arange(first, min(first + BLOCK_ROWS, len(layout.kinds)))
        yield _comments(rows, layout, seed).select(_json()).to_series()


def _comments(rows: npt.NDArray[np.int64], layout: Layout, seed: int) -> pl.DataFrame:
    """What goes into the lines of a block, one column a field."""
    draw = partial(_streams, seed=seed)
    kinds = layout.kinds[rows]
    threads = _threads(rows, seed)
    topics = _topics(threads, seed)
    authors = below(draw(rows, "author"), 1 + len(layout.kinds) // 6)
    ids = _base36(rows + FIRST_COMMENT)
    link = np.char.add("t3_", _base36(threads + FIRST_THREAD))
    return pl.DataFrame(
        {
            "kind": pl.Series(KINDS).gather(kinds),
            "words": _words(layout.words_of[rows], layout, seed),
            "author": _write("author", topics, draw(authors, "name")),
            "subreddit": _write("subreddit", topics, draw(threads, "subreddit")),
            "subreddit_id": np.char.add("t5_2", _base36(topics + 46_656)),
            "id": ids,
            "link_id": link,
            "parent_id": _parents(ids, link, threads, draw(rows, "parent")),
            "created_utc": BEGAN + SECONDS * rows + below(draw(rows, "second"), SECONDS),
            "score": (below(draw(rows, "score"), 40) ** 2) // 20 - 2,
            "edit": below(draw(rows, "edit"), 3),
            "flavour": below(draw(rows, "flavour"), 100),
        }
    )


def _words(rows: npt.NDArray[np.int64], layout: Layout, seed: int) -> pl.Series:
    """The body that each of these lines was written with; a few type in lower case or without apostrophes."""
    grammar, draw = _grammar(), partial(_streams, seed=seed)
    kinds = layout.kinds[rows]
    numbers = np.array([grammar.symbol(kind) if kind not in (ORDINARY, *COPIES) else 0 for kind in KINDS])
    moods = np.repeat([grammar.symbol(emotion) for emotion in NATURAL], list(NATURAL.values()))
    mood = moods[below(draw(rows, "mood"), len(moods))]
    symbols = np.where(kinds == KINDS.index(ORDINARY), mood, numbers[kinds])
    texts = grammar.write(symbols, _topics(_threads(rows, seed), seed), mix(draw(rows, "words")))
    body, typed = pl.col("body"), pl.col("typed")
    return (
        pl.DataFrame({"body": texts, "typed": below(draw(rows, "typed"), 100), "plain": kinds <= KINDS.index(LONG)})
        .select(
            pl.when(~pl.col("plain") | (typed >= 14))
            .then(body)
            .when(typed < 10)
            .then(body.str.to_lowercase())
            .otherwise(body.str.replace_all("'", "", literal=True))
        )
        .to_series()
    )


def _json() -> pl.Expr:
    """The line of each comment: 18 or 39 keys, the time now and then a string, a broken line cut in half."""
    kind, words, edit = pl.col("kind"), pl.col("words"), pl.col("edit")
    bot = words.str.splitn("|", 2).struct
    gone = kind.is_in(["deleted", "removed"])
    near = (
        pl.when(edit == 0)
        .then(words + " Edit: fixed a small typo.")
        .when(edit == 1)
        .then("Reposting my answer: " + words)
        .otherwise(words.str.replace(" the ", " that ", literal=True))
    )
    body = pl.when(kind == "bot").then(bot[1]).when(kind == "near_duplicate").then(near).otherwise(words)
    author = pl.when(kind == "bot").then(bot[0]).when(gone).then(pl.lit("[deleted]")).otherwise("author")
    null, no = pl.lit(None, pl.Null), pl.lit(False)
    fields = pl.struct(
        author=author,
        author_flair_css_class=null,
        author_flair_text=null,
        body=body,
        controversiality=pl.lit(0),
        distinguished=pl.when(author == "AutoModerator").then(pl.lit("moderator")),
        edited=no,
        gilded=pl.lit(0),
        id="id",
        link_id="link_id",
        parent_id="parent_id",
        retrieved_on=pl.col("created_utc") + 5_000_000,
        score="score",
        stickied=no,
        subreddit="subreddit",
        subreddit_id="subreddit_id",
        ups="score",
    ).struct.json_encode()
    time = pl.col("created_utc").cast(pl.String)
    nsfw = kind == "nsfw"
    line = pl.concat_str(
        pl.lit('{"created_utc":'),
        pl.when(pl.col("flavour") < 15).then('"' + time + '"').otherwise(time),
        pl.lit(","),
        fields.str.slice(1).str.head(-1),
        pl.when(nsfw | (pl.col("flavour") % 2 == 0))
        .then(pl.lit(LATER_KEYS) + pl.when(nsfw).then(pl.lit("true")).otherwise(pl.lit("false")))
        .otherwise(pl.lit("")),
        pl.lit("}"),
    )
    return pl.when(kind == "broken_line").then(line.str.head(line.str.len_chars() // 2)).otherwise(line)


@cache
def _grammar() -> Grammar:
    emotions, mess, *topics = [phrases((PHRASES / f"{name}.yaml").read_text("utf-8")) for name in FILES]
    slots = emotions.pop("slots")
    return Grammar({**slots, **emotions, **mess}, {name: bank for part in topics for name, bank in part.items()})


def _write(slot: str, topics: npt.NDArray[np.int64], streams: Seeds) -> pl.Series:
    return pl.Series(_grammar().write(_grammar().symbol(slot), topics, mix(streams)))


def _threads(rows: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """The thread of each line: THREADS of them run side by side, and early ones draw more comments."""
    spread = below(_streams(rows, "thread", seed), THREADS * THREADS)
    return rows // WINDOW_ROWS * THREADS + spread * spread // THREADS**3


def _topics(threads: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    return below(_streams(threads, "topic", seed), len(_grammar().topics))


def _parents(
    ids: npt.NDArray[np.str_], link: npt.NDArray[np.str_], threads: npt.NDArray[np.int64], streams: Seeds
) -> npt.NDArray[np.str_]:
    """What each line answers: the post, or the comment before it in its thread."""
    order = np.argsort(threads, kind="stable")
    before = np.zeros_like(order)
    before[order[1:]] = order[:-1]
    first = np.ones(len(order), dtype=bool)
    first[order[1:]] = threads[order[1:]] != threads[order[:-1]]
    return np.where(first | (below(streams, 100) < 45), link, np.char.add("t1_", ids[before]))


def _streams(numbers: npt.NDArray[np.int64], purpose: str, seed: int) -> Seeds:
    """A seed for each number, of its own for each purpose."""
    word = np.uint64(int.from_bytes(hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=8).digest(), "little"))
    return numbers.astype(np.uint64) * STEP + word


def _base36(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """Reddit's way to write an id."""
    width = len(np.base_repr(int(numbers.max(initial=1)), 36))
    digits = numbers[:, None] // 36 ** np.arange(width - 1, -1, -1) % 36
    shown = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", dtype=np.uint8)[digits]
    return np.char.lstrip(shown.view(f"S{width}")[:, 0].astype(str), "0")
