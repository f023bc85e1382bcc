"""Replace what points to a person by typed tokens: addresses, names of users, numbers of people and machines."""

import hashlib
import ipaddress
import re
from collections.abc import Callable
from functools import partial
from typing import Final

import polars as pl

from corpusmith.curate import identity
from corpusmith.curate.rows import changed_where, non_ascii, where_regex

KINDS: Final = ("USER", "EMAIL", "PHONE", "IP", "CARD", "IBAN", "NATIONAL_ID", "URL")
PASSES: Final = 8
"""After so many a text is a chain that somebody made up (real ones take two): only its plain words are kept."""
NOT_PLAIN: Final = r"\S*[^\p{L}\s]\S*"
DELETED_AUTHORS: Final = ("[deleted]", "[removed]", "")

SCHEME: Final = r"(?i)\b(?:https?|ftps?|mailto|ssh|git|irc|steam|magnet|tel):(?://)?[^\s<>\"]*[^\s<>\"'.,;:!?)(\]\[]"
WWW: Final = r"(?i)\bwww\d?\.[^\s<>\"]*[^\s<>\"'.,;:!?)(\]\[]"
BARE: Final = (
    r"(?i)\b(?:[a-z0-9][a-z0-9-]*\.)+(?:com|org|edu|gov|info|biz|co\.[a-z]{2})\b(?:/[^\s<>\"]*[^\s<>\"'.,;:!?)(\]\[])?"
    r"|\b(?:[a-z0-9][a-z0-9-]*\.)+[a-z]{2,12}/[^\s<>\"]*[^\s<>\"'.,;:!?)(\]\[]"
)
EMAIL: Final = r"(?i)[a-z0-9][a-z0-9._%+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}\b"
SPELLED_DOT: Final = r"\s*(?:\.|[\[({<]\s*dot\s*[\])}>]|\bdot\b)\s*"
SPELLED_EMAIL: Final = (
    rf"(?i)\b[a-z0-9][a-z0-9_%+-]*(?:{SPELLED_DOT}[a-z0-9_%+-]+)*\s*[\[({{<]\s*at\s*[\])}}>]\s*[a-z0-9-]+"
    rf"(?:{SPELLED_DOT}[a-z0-9-]+)*{SPELLED_DOT}[a-z]{{2,24}}\b"
)
MAIL_HOST: Final = (
    r"(?:gmail|googlemail|hotmail|yahoo|ymail|outlook|icloud|aol|gmx|web|proton(?:mail)?|fastmail|live|msn)"
)
SAID_EMAIL: Final = (  # jane.doe at gmail; jane at gmail dot com; but not: I looked at yahoo
    rf"(?i)\b(?:[a-z][a-z0-9]*(?:(?:[._]| dot )[a-z0-9]+)+|[a-z]+\d+[a-z0-9]*) at {MAIL_HOST}"
    rf"(?:{SPELLED_DOT}[a-z]{{2,6}})?\b"
    rf"|\b[a-z][a-z0-9]* at {MAIL_HOST}\s(?:[\[({{<]\s*)?dot(?:\s*[\])}}>])?\s[a-z]{{2,6}}\b"
)
MENTION: Final = r"(^|[^\w/])(?:/?\b[uU]/|/user/)[A-Za-z0-9_-]{2,}(?:(?:/[uU]/|/user/)[A-Za-z0-9_-]{2,})*"
HANDLE: Final = r"(^|[^\w@/.])(?:@[A-Za-z_]\w+)+"
TAG: Final = re.compile(r"(?<![\w/&#.])(?P<name>[A-Za-z]\w[\w.]*)#\d{4}(?!\w)")
NOT_A_NAME: Final = frozenset(
    (
        *("apt", "bug", "build", "card", "case", "chapter", "comment", "draft", "episode", "id", "invoice", "issue"),
        *("item", "lot", "model", "no", "number", "order", "page", "part", "patch", "pr", "problem", "ref", "request"),
        *("rfc", "room", "route", "scp", "suite", "task", "thread", "ticket", "unit", "version", "vol"),
    )
)

NUMBERS: Final = r"\d(?:[ ().\-–/]{0,3}\d){6}|\d\.\d{1,3}\.\d{1,3}\.\d|:[0-9a-fA-F]{0,4}:"
"""Where a number may be one of a phone, card or machine: only these rows see the precise rules below."""
CARD: Final = re.compile(
    r"(?<![\w.,-])(?:[2-6]\d{12,18}|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{1,7}|3\d{3}([ -])\d{6}\2\d{4,5})(?![\w-])"
)
IPV4: Final = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
IPV6: Final = re.compile(r"(?<![\w:.])[0-9a-fA-F:]{2,39}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?(?![\w:]|\.\d)")
VERSION: Final = re.compile(r"(?i)(?:version|ver|release|build|firmware|update|patch|section|chapter|v)[\s.:#]*$")
PHONE: Final = re.compile(
    r"""(?:
      (?<![$€£#+])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,5}){1,4}  # +44 20 7946 0958
    | (?<![$€£#(])\(\d{3}\)[ .-]?\d{3}[ .-]\d{4}                                        # (555) 123-4567
    | (?<![\w.,$€£#/-])(?:
          (?:1[ .-]?)?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}                    # 1-555-123-4567
        | 1?[2-9]\d{2}[2-9]\d{6}                                                        # 5552345678
        | 0\d{1,4}[ -]\d{3,4}[ -]?\d{3,4}                                               # 020 7946 0958
        | 0\d(?:[ .-]\d{2}){4}                                                          # 06 12 34 56 78
        )
    )(?![\w-]|[.,]\d)""",
    re.VERBOSE,
)
CALLED: Final = re.compile(
    r"(?i)\b((?:call|text|phone|tel|cell|mobile|dial|ring|whatsapp)\b\D{0,12})(\d{3}[ .-]\d{4})(?![\w-])"
)


def scrub(texts: pl.Series) -> pl.Series:
    """Each text with personal data replaced by a token of its kind (KINDS), such as [EMAIL]; a null stays null.

    Scrubbing what is scrubbed changes nothing. Card numbers are told by Luhn's checksum, IP addresses by their range,
    accounts and identity numbers by their check digits (identity.py); dates, prices, version numbers and names of
    subreddits stay.
    """
    return _settled(texts, PASSES)


def find(texts: pl.Series) -> pl.DataFrame:
    """What personal data is left: columns row (u32, place in ``texts``) and kind (one of KINDS), a row for each."""
    clean = scrub(texts)
    rows = clean.ne_missing(texts).arg_true()
    before, after = texts.gather(rows), clean.gather(rows)
    counts = pl.DataFrame({kind: _count(after, kind) - _count(before, kind) for kind in KINDS})
    swallowed = pl.all_horizontal(pl.all() <= 0)  # an address that held a token already
    counts = counts.with_columns(URL=pl.when(swallowed).then(1).otherwise("URL"))
    found = counts.with_columns(row=rows).unpivot(index="row", variable_name="kind", value_name="n")
    return found.filter(pl.col("n") > 0).select("row", "kind").sort("row", "kind")


def tally(texts: pl.Series) -> dict[str, int]:
    """How many tokens of each kind the texts hold."""
    return {kind: int(_count(texts, kind).sum()) for kind in KINDS}


def pseudonyms(authors: pl.Series, salt: str) -> pl.Series:
    """A name of 16 hexadecimal digits for each author, the same for the same salt; null for a deleted one."""
    mixed_in = hashlib.blake2b(salt.encode(), digest_size=16).digest()
    names = authors.unique().drop_nulls()
    hidden = [hashlib.blake2b(name.encode(), digest_size=8, salt=mixed_in).hexdigest() for name in names.to_list()]
    unknown = names.str.strip_chars().is_in(DELETED_AUTHORS)
    return authors.replace_strict(
        names.filter(~unknown), pl.Series(hidden, dtype=pl.String).filter(~unknown), default=None
    )


def _count(texts: pl.Series, kind: str) -> pl.Series:
    return texts.str.count_matches(f"[{kind}]", literal=True).cast(pl.Int64).fill_null(0)


def _settled(texts: pl.Series, passes: int) -> pl.Series:
    """The texts when no rule finds any more; what one leaves bare, another may find."""
    once = _scrubbed(texts)
    more = partial(_settled, passes=passes - 1) if passes else _plain_words
    return changed_where(once, once.ne_missing(texts), more)


def _plain_words(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(NOT_PLAIN, "[URL]")


def _scrubbed(texts: pl.Series) -> pl.Series:
    texts = where_regex(texts, [":"], [(SCHEME, "[URL]")])
    texts = changed_where(
        texts, texts.str.contains(r"(?i)\bwww\d?\."), lambda found: found.str.replace_all(WWW, "[URL]")
    )
    texts = where_regex(
        texts, ["@", "[at]", "(at)", "{at}", "<at>", "[AT]", "(AT)"], [(EMAIL, "[EMAIL]"), (SPELLED_EMAIL, "[EMAIL]")]
    )
    texts = changed_where(
        texts, texts.str.contains(SAID_EMAIL), lambda found: found.str.replace_all(SAID_EMAIL, "[EMAIL]")
    )
    texts = changed_where(
        texts, texts.str.contains(r"\w\.[A-Za-z]{2}"), lambda found: found.str.replace_all(BARE, "[URL]")
    )
    texts = where_regex(texts, ["u/", "U/", "/user/"], [(MENTION, "${1}[USER]")])
    texts = where_regex(texts, "@", [(HANDLE, "${1}[USER]")])
    texts = changed_where(texts, texts.str.contains(r"\w#\d{4}"), _each(_tagless))
    digits = texts.str.contains("[0-9]") | non_ascii(texts)
    return changed_where(texts, digits, _without_numbers)


def _without_numbers(texts: pl.Series) -> pl.Series:
    texts = changed_where(texts, texts.str.contains(identity.HINT), _each(identity.without_identity))
    return changed_where(texts, texts.str.contains(NUMBERS), _each(_numberless))


def _each(change: Callable[[str], str]) -> Callable[[pl.Series], pl.Series]:
    return lambda texts: pl.Series(texts.name, [change(text) for text in texts.to_list()], dtype=pl.String)


def _tagless(text: str) -> str:
    return TAG.sub(lambda found: found[0] if found["name"].lower() in NOT_A_NAME else "[USER]", text)


def _numberless(text: str) -> str:
    text = IPV6.sub(lambda found: "[IP]" if _is_ipv6(found[0]) else found[0], text)
    text = IPV4.sub(lambda found: "[IP]" if _is_ipv4(found) else found[0], text)
    text = CARD.sub(lambda found: "[CARD]" if _is_card(found[0]) else found[0], text)
    text = PHONE.sub(lambda found: "[PHONE]" if _is_phone(found[0]) else found[0], text)
    return CALLED.sub(r"\1[PHONE]", text)


def _is_ipv4(found: re.Match[str]) -> bool:
    if VERSION.search(found.string, max(0, found.start() - 12), found.start()):
        return False
    return all(part == str(int(part)) and int(part) <= 255 for part in found[0].split("."))


def _is_ipv6(text: str) -> bool:
    if text.count(":") < 2 or not any(character.isdigit() for character in text):
        return False  # a time of day; a::b of a program
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_card(text: str) -> bool:
    digits = [int(character) for character in text if character.isdigit()]
    if not 13 <= len(digits) <= 19:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_phone(text: str) -> bool:
    return 7 <= sum(character.isdigit() for character in text) <= 15
