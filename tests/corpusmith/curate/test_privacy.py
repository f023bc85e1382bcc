"""Personal data is replaced, what looks like it stays."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.curate.privacy import KINDS, find, pseudonyms, scrub, tally
from tests.corpusmith.curate.planted import planted


def scrubbed(text: str) -> str:
    return scrub(pl.Series([text]))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thanks /u/Some_user-1!", "thanks [USER]!"),
        ("u/ab,u/cd and (u/ef)", "[USER],[USER] and ([USER])"),
        ("as /user/somebody said", "as [USER] said"),
        ("follow @jack_d. ok", "follow [USER]. ok"),
        ("mail bob.smith+x@mail.example.co.uk, now", "mail [EMAIL], now"),
        ("bob (at) example (dot) com", "[EMAIL]"),
        ("bob[at]example.com", "[EMAIL]"),
        ("see https://example.com/a_(b)?c=d&e=@f.", "see [URL]."),
        ("(www.example.org/x), HTTP://EXAMPLE.COM", "([URL]), [URL]"),
        ("at example.com or foo.bar/baz today", "at [URL] or [URL] today"),
        ("https://bob:secret@example.com/u/bob", "[URL]"),
        ("call (555) 123-4567 or 555.123.4567", "call [PHONE] or [PHONE]"),
        ("1-800-555-1234 or +1 555 123 4567", "[PHONE] or [PHONE]"),
        ("+44 20 7946 0958, 020 7946 0958, 06 12 34 56 78", "[PHONE], [PHONE], [PHONE]"),
        ("my number is 2125550123", "my number is [PHONE]"),
        ("text me at 555-1234", "text me at [PHONE]"),
        ("from 192.168.0.1:8080 and 8.8.8.8.", "from [IP]:8080 and [IP]."),
        ("ping fe80::1 or 2001:db8::ff00:42:8329, ::1", "ping [IP] or [IP], [IP]"),
        ("paid with 4111 1111 1111 1111", "paid with [CARD]"),
        ("5500-0000-0000-0004 or 378282246310005", "[CARD] or [CARD]"),
        ("jane.doe at gmail, jane at hotmail dot com", "[EMAIL], [EMAIL]"),
        ("jane (dot) doe (at) example (dot) com", "[EMAIL]"),
        ("add Some.one#1234 on there", "add [USER] on there"),
        ("my SSN is 078-05-1120", "my SSN is [NATIONAL_ID]"),
        ("AB 12 34 56 C and 12345678Z", "[NATIONAL_ID] and [NATIONAL_ID]"),
        ("passport no 533380006", "passport no [NATIONAL_ID]"),
        ("her nino is 533380006", "her nino is [NATIONAL_ID]"),
        ("to DE89 3704 0044 0532 0130 00 then we met", "to [IBAN] then we met"),
        ("GB82WEST12345698765432.", "[IBAN]."),
    ],
)
def test_personal_data_becomes_a_token_of_its_kind(text: str, expected: str) -> None:
    assert scrubbed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "born 2005-12-31, 12/31/2005, 31.12.2005 and 1999-2004",
        "2012-06-21 2012-07-14 2012-08-13 2012-09-15",
        "at 12:30:45 or 6:00",
        "$1,234,567.89 or 1.000.000,00 € or 1000000000 won",
        "epoch 1138751932 and 1569888000",
        "python 3.11.2, v1.2.3.4, version 10.0.0.1 and Firmware: 1.2.3.4",
        "section 1.2.3.4.5 of 300.1.2.3 and 01.02.03.04",
        "r/AskReddit and /r/worldnews/ too",
        "a@b is no address, nor is 5 @ 3 dollars",
        "std::vector<int> a::b and dead::beef",
        "4111 1111 1111 1112 is no card",
        "and/or, his/her, w/o, 24/7, e.g. this, node.js. Next",
        "isbn 978-3-16-148410-0",
        "I have 3 cats, 12 dogs and 100 fish",
        "you/me u/ u / i @ home",
        "I looked at yahoo and was at gmail.",
        "issue#1234, C#2005, r/#1234 and &#8217;",
        "DE89 3704 and XY12 ABCD EFGH IJKL are no accounts",
        "12345678A and 546-454-287 and 4499 1234 5678 stay, as do 2-1 and 1999-01-02",
    ],
)
def test_dates_prices_versions_and_subreddits_stay(text: str) -> None:
    assert scrubbed(text) == text


PIECES = [
    *(
        "@",
        "u/",
        "/u/",
        "/user/",
        "r/",
        ".",
        "-",
        ":",
        "::",
        "/",
        " ",
        "(",
        ")",
        "+",
        "[",
        "]",
        "\n",
        "at",
        "dot",
        "é",
        "1",
    ),
    *("bob", "example", ".com", "www.", "http://", "mailto:", "fe80::1", "192.168.0.1", "4111111111111111", "0"),
    *(
        "555-123-4567",
        "(555) 123-4567",
        "call ",
        "555-1234",
        "+44 20 7946 0958",
        "version ",
        "[URL]",
        "[USER]",
        " at gmail",
        " dot com",
        "bob#1234",
        "078-05-1120",
        "DE89 3704 0044 0532 0130 00",
        "AB 12 34 56 C",
        "ssn ",
        "２",
        "٣",
    ),
]
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=14).map("".join)


@given(st.lists(HOSTILE, max_size=8))
def test_nothing_is_left_after_scrubbing_however_pieces_are_put_together(texts: list[str]) -> None:
    once = scrub(pl.Series(texts, dtype=pl.String))
    assert len(once) == len(texts)
    assert find(once).is_empty()
    assert scrub(once).equals(once)


@given(st.lists(HOSTILE, max_size=8))
def test_find_names_just_the_rows_that_scrubbing_would_change(texts: list[str]) -> None:
    series = pl.Series(texts, dtype=pl.String)
    changed = scrub(series).ne_missing(series).arg_true().to_list()
    assert sorted(set(find(series)["row"])) == changed


@given(st.lists(st.one_of(st.none(), HOSTILE), max_size=8), st.data())
def test_a_row_is_scrubbed_alike_alone_and_beside_others(texts: list[str | None], data: st.DataObject) -> None:
    together = scrub(pl.Series(texts, dtype=pl.String)).to_list()
    for text, expected in zip(texts, together, strict=True):
        assert scrub(pl.Series([text], dtype=pl.String))[0] == expected


def test_long_chains_of_any_pieces_are_scrubbed_to_the_end() -> None:
    pairs = [left + right for left in PIECES for right in PIECES]
    chains = ["/user/bobfe80::1", "call é555-1234[é", "(555) 123-4567]www.x.com) ", "@bob.com@u/ann"]
    once = scrub(pl.Series([text * 40 for text in pairs] + [text * 5000 for text in [*PIECES, *chains]]))
    assert find(once).is_empty()
    assert scrub(once).equals(once)


def test_find_and_tally_say_what_there_is_of_each_kind() -> None:
    texts = pl.Series(["nothing", "a@b.org and u/bob and u/ann", None, "192.168.0.1"])
    assert find(texts).rows() == [(1, "EMAIL"), (1, "USER"), (3, "IP")]
    assert tally(scrub(texts)) == dict.fromkeys(KINDS, 0) | {"EMAIL": 1, "USER": 2, "IP": 1}


def test_what_is_planted_in_three_hundred_comments_is_found_and_nothing_around_it() -> None:
    kinds, texts, expected = zip(*planted(), strict=True)
    assert len(texts) == 300
    assert set(kinds) == set(KINDS)
    assert scrub(pl.Series(texts)).to_list() == list(expected)


def test_pseudonyms_are_stable_apart_and_salted() -> None:
    authors = pl.Series(["ann", "bob", None, "[deleted]", "ann", " "])
    names = pseudonyms(authors, "salt")
    assert names.to_list() == pseudonyms(authors, "salt").to_list()
    assert names[0] == names[4] != names[1]
    assert names[2:4].null_count() == 2
    assert names[5] is None
    assert names[0] != pseudonyms(authors, "other")[0]
    assert names.drop_nulls().str.contains("^[0-9a-f]{16}$").all()
    assert pseudonyms(pl.Series([None], dtype=pl.String), "salt").to_list() == [None]
