"""What cleaning makes of a comment, and why it rejects one."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.curate.markup import normalise
from corpusmith.curate.privacy import find
from corpusmith.curate.text import Rules, clean
from corpusmith.curate.verdicts import REASONS
from corpusmith.ingest import read
from corpusmith.ingest.records import SCHEMA


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Tom &amp; Ann &lt;3 &quot;x&quot; it&#39;s", 'Tom & Ann <3 "x" it\'s'),
        ("&amp;amp; &amp;gt;_&amp;lt; &amp;hearts; &#128512; &copy;", "& >_< ♥ 😀 ©"),
        ("&gt; their words\n\nmy words", "my words"),
        ("> one\n>two\nmine > theirs", "mine > theirs"),
        ("&gt;!the killer is Bob!&lt; wow", "the killer is Bob wow"),
        ('see [this page](https://example.com/a_(b) "title") now', "see this page now"),
        ("![cat](http://x.y/z.png) [](/sad) hi", "cat hi"),
        ("**very** *nice* ***both*** __x__ _y_ ~~old~~", "very nice both x y old"),
        ("*one* *two* *three*", "one two three"),
        ("f**k this s*** and 2 * 3 * 4 = 24", "f**k this s*** and 2 * 3 * 4 = 24"),
        ("snake_case_name and file_name.py", "snake_case_name and file_name.py"),
        ("\\*not emphasis\\* ¯\\\\\\_(ツ)_/¯", "*not emphasis* ¯\\_(ツ)_/¯"),
        ("# Title\n## Sub\ntext #tag", "Title Sub text #tag"),
        ("* one\n- two\n+ three\n1. four\n2) five", "one two three four five"),
        ("run `ls -la` now\n```\nrm -rf\n```\ndone", "run ls -la now done"),
        ("^this ^(is small) 2^10", "this is small 2^10"),
        ("a\n\n***\n\nb\n---\nc", "a b c"),
        ("|a|b|\n|:-|-:|\n|1|2|", "|a|b| |1|2|"),
        ("“Don’t” she said…", '"Don\'t" she said...'),
        ("zero\u200bwidth \ufeffmark so\u00adft \u202eright", "zerowidth mark soft right"),
        ("tags\U000e0041\U000e0042 and nul\x00 bell\x07", "tags and nul bell"),
        ("a\u00a0b\tc\r\nd   e\u2003f", "a b c d e f"),
        ("cafe\u0301 👩\u200d👩\u200d👧", "café 👩\u200d👩\u200d👧"),
        ("  ", ""),
    ],
)
def test_markup_entities_and_odd_characters_become_plain_text(raw: str, expected: str) -> None:
    assert normalise(pl.Series([raw]))[0] == expected


MARKUP = st.lists(
    st.one_of(
        st.sampled_from(["*", "_", ">", "&amp;", "&lt;", "`", "~", "[", "](", ")", "\n", "#", "^", "\\", "|", "-"]),
        st.text(max_size=4),
    ),
    max_size=20,
).map("".join)


@given(st.lists(st.one_of(st.none(), MARKUP), max_size=6))
def test_a_text_is_one_line_and_made_alike_alone_and_beside_others(texts: list[str | None]) -> None:
    together = normalise(pl.Series(texts, dtype=pl.String)).to_list()
    for text, found in zip(texts, together, strict=True):
        assert (text is None) == (found is None)
        assert found is None or (found == found.strip() and "\n" not in found and "  " not in found)
        assert normalise(pl.Series([text], dtype=pl.String))[0] == found


def batch(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"source": "RC", "author": "ann", "nsfw": False, "broken": False, "raw": "This is what I think of it."}
    made = [usual | {"line": place, "id": f"c{place}"} | row for place, row in enumerate(rows, 1)]
    return pl.DataFrame(made, schema=SCHEMA)


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        ({}, []),
        ({"raw": '{"body": "cut', "broken": True}, ["broken_line"]),
        ({"raw": None, "broken": True}, ["broken_line"]),
        ({"raw": "[deleted]"}, ["deleted"]),
        ({"raw": " [removed] "}, ["deleted"]),
        ({"raw": ""}, ["deleted"]),
        ({"raw": "A good title\n\n[removed]"}, ["deleted"]),
        ({"raw": "[deleted by user]"}, ["deleted"]),
        ({"raw": "I like how [deleted] was here before [removed] came."}, []),
        ({"author": "AutoModerator"}, ["bot"]),
        ({"author": "haiku_bot"}, ["bot"]),
        ({"author": "RemindMeBot"}, ["bot"]),
        ({"author": "Talbot"}, []),
        ({"author": "MrRobot"}, []),
        ({"author": None}, []),
        ({"raw": "Here is your link. ^(I am a bot.) ^(Ask me anything you want)"}, ["bot"]),
        ({"raw": "This action was performed automatically, sorry about it."}, ["bot"]),
        ({"raw": "He said that people on here think I'm a bottle."}, []),
        ({"raw": "Your submission has been removed because it broke one of the rules."}, ["boilerplate"]),
        ({"raw": "Keep it civil or it will be removed, thanks.", "distinguished": "moderator"}, ["boilerplate"]),
        ({"raw": "I really loved this one, thanks.", "distinguished": "moderator"}, []),
        ({"raw": "Das ist doch wirklich nicht dein Ernst gewesen"}, ["non_english"]),
        ({"raw": "これは本当に面白いですね"}, ["non_english", "too_short"]),
        ({"raw": "nice one"}, ["too_short"]),
        ({"raw": "look https://example.com u/bob here"}, ["too_short"]),
        ({"raw": "> all of this is a quote by someone"}, ["too_short"]),
        ({"raw": "what I think of it " * 300}, ["too_long"]),
        ({"nsfw": True}, ["nsfw"]),
        ({"nsfw": True, "author": "foo_bot", "raw": "Beep boop"}, ["bot", "too_short", "nsfw"]),
    ],
)
def test_a_comment_is_rejected_for_every_reason_that_applies(row: dict[str, Any], reasons: list[str]) -> None:
    found = clean(batch({}, row, {}), Rules(), "salt")
    assert found["reasons"].to_list() == [[], reasons, []]
    assert found["verdict"][1] == ("rejected" if reasons else "kept")
    assert set(reasons) <= set(REASONS)


def test_rules_decide_what_is_short_long_and_wanted() -> None:
    rows = batch({"raw": "nice one"}, {"nsfw": True}, {"raw": "This is what I think of it, and it is long."})
    found = clean(rows, Rules(min_words=2, max_characters=30, nsfw=True), "salt")
    assert found["reasons"].to_list() == [[], [], ["too_long"]]


def test_a_broken_line_gives_no_text_and_nobody_s_name() -> None:
    found = clean(batch({"raw": '{"author":"ann","body":"call me', "broken": True, "author": None}), Rules(), "salt")
    assert found.select("text", "language", "author").row(0) == ("", None, None)


ROWS = st.fixed_dictionaries(
    {},
    optional={
        "raw": st.one_of(st.none(), MARKUP, st.sampled_from(["[deleted]", "nice one", "a@b.org told me about u/bob"])),
        "author": st.sampled_from([None, "ann", "x_bot", "[deleted]"]),
        "nsfw": st.booleans(),
        "broken": st.booleans(),
        "distinguished": st.sampled_from([None, "moderator", ""]),
    },
)


@given(st.lists(ROWS, max_size=8))
def test_every_row_comes_out_in_its_place_kept_or_rejected(rows: list[dict[str, Any]]) -> None:
    found = clean(batch(*rows), Rules(), "salt")
    assert found["line"].to_list() == list(range(1, len(rows) + 1))
    kept, rejected = found.filter(pl.col("verdict") == "kept"), found.filter(pl.col("verdict") == "rejected")
    assert kept.height + rejected.height == len(rows)
    assert (kept["reasons"].list.len() == 0).all()
    assert (rejected["reasons"].list.len() > 0).all()
    assert (kept["language"] == "en").all()
    assert found["text"].null_count() == 0
    assert find(found["text"]).is_empty()


def test_rows_in_are_rows_kept_and_rejected_for_every_real_source(shared_data: Path) -> None:
    for name, kept in {
        "RC_2005-12.zst": (900, 925),
        "RC_2006-01.zst": (2900, 3030),
        "RS_2006-01.bz2": (120, 140),
    }.items():
        rows = pl.concat(read(shared_data / "pushshift_dumps" / name))
        found = clean(rows, Rules(), "salt")
        assert found["line"].equals(rows["line"])
        counts = dict(found["verdict"].value_counts().rows())
        assert sum(counts.values()) == rows.height
        assert kept[0] <= counts["kept"] <= kept[1]
        assert find(found["text"]).is_empty()
        gone = rows["raw"].is_in(["[deleted]", "[removed]"])
        assert found.filter(gone)["reasons"].to_list() == [["deleted"]] * gone.sum()
