"""Turn what people typed into plain text of one line: without HTML entities, markdown, or characters one cannot see."""

import html
import unicodedata
from typing import Final

import polars as pl

from corpusmith.curate.rows import changed_where, matching, non_ascii, where_regex

ENTITY: Final = r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});"
COMMON_ENTITIES: Final = {
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&#39;": "'",
    "&apos;": "'",
    "&#x27;": "'",
    "&nbsp;": " ",
    "&#x200B;": "",
    "&#x200b;": "",
}
TYPOGRAPHY: Final = {
    "‘": "'",
    "’": "'",
    "‚": "'",
    "‛": "'",
    "ʼ": "'",
    "′": "'",
    "´": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "‟": '"',
    "″": '"',
    "«": '"',
    "»": '"',
    "…": "...",
}
INVISIBLE: Final = (
    r"[\x00-\x08\x0E-\x1F\x7F-\x84\x86-\x9F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180E"
    r"\u200B\u200C\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\x{E0000}-\x{E0FFF}]+"
)
"""Control and zero-width characters, direction marks and tags; the joiner of emoji (U+200D) only after ASCII."""

CONTROLS: Final = (r"[\x00-\x08]", r"[\x0E-\x17]", r"[\x18-\x1F\x7F]")
"""Those of ASCII, ten or fewer at once: so few are looked for some ten times as fast as a larger class."""

URL: Final = r"(?:[^()\s]|\([^()\s]*\))*"
LINKS: Final = [
    (r"!?\[([^\[\]]*)\]\(\s*<?" + URL + r'>?(?:\s+"[^"]*")?\s*\)', "${1}"),
    (r"(?m)^\s*\[[^\[\]]+\]:\s*https?://\S+.*$", ""),  # the definition of a reference
]
EMPHASIS: Final = [
    (r"(^|[^\w*\\])\*{1,3}([^\s*](?:[^*]*[^\s*\\])?)\*{1,3}($|[^\w*])", "${1}${2}${3}"),
] * 2  # twice: neighbours share the character between them
UNDERSCORES: Final = [(r"(^|[^\w\\])_{1,3}([^\s_](?:[^_]*[^\s_\\])?)_{1,3}($|[^\w])", "${1}${2}${3}")] * 2
BY_LINE: Final = [
    (r"(?m)^[ \t]*>(?:[^!\n].*)?$", ""),  # a quoted line is someone else's
    (r"(?m)^[ \t]*(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|={3,}[ \t]*)$", ""),  # a rule
    (r"(?m)^[ \t]*[|:\- ]*\|[ \t]*:?-[|:\- ]*$", ""),  # the second line of a table
    (r"(?m)^[ \t]{0,3}#{1,6}[ \t]+", ""),
    (r"(?m)^[ \t]*(?:[*+•-]|\d{1,2}[.)])[ \t]+", ""),
]
LINE_HINT: Final = r"^[ \t]*(?:>|#{1,6}[ \t]|[*+•\-_=][ \t*\-_=]|\||\d{1,2}[.)][ \t])"


def normalise(texts: pl.Series) -> pl.Series:
    """Each text in plain characters on one line; a null stays null.

    HTML entities are unescaped (also those escaped twice); of markdown the words stay: link texts without addresses,
    no quoted lines, fenced code, heading or list marks, emphasis or escapes; typographic quotes become plain ones;
    control and zero-width characters go; composed characters are composed (NFC); white space is one space.
    """
    texts = _unescaped(texts)
    texts = where_regex(texts, "\r", [(r"\r\n?", "\n")])
    texts = changed_where(texts, non_ascii(texts), _plain_characters)
    for few in CONTROLS:
        texts = changed_where(texts, texts.str.contains(few), _visible)
    texts = _unmarked(texts)
    spaced = texts.str.contains("  ", literal=True) | texts.str.contains(r"[\t-\r]") | non_ascii(texts)
    return changed_where(texts, spaced, _on_one_line).str.strip_chars()


def visible(text: str) -> str:
    """A text without the control, zero-width and direction characters that ``normalise`` takes out of sources."""
    return str(_visible(pl.Series([text]))[0])


def plain(text: str) -> str:
    """What a model or server wrote, as a row holds it: visible characters, composed (NFC), white space as one space."""
    return " ".join(unicodedata.normalize("NFC", visible(text)).split())


def _on_one_line(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(r"\s+", " ")


def _unescaped(texts: pl.Series) -> pl.Series:
    def unescape(found: pl.Series) -> pl.Series:
        for _ in range(2):
            found = found.str.replace_all("&amp;", "&", literal=True)
        found = found.str.replace_many(COMMON_ENTITIES)
        return changed_where(found, found.str.contains(ENTITY), _rare_entities)

    return changed_where(texts, texts.str.contains("&", literal=True), unescape)


def _rare_entities(texts: pl.Series) -> pl.Series:
    return pl.Series(texts.name, [html.unescape(text) for text in texts.to_list()], dtype=pl.String)


def _plain_characters(texts: pl.Series) -> pl.Series:
    return _visible(texts.str.replace_many(TYPOGRAPHY).str.normalize("NFC"))


def _visible(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(INVISIBLE, "").str.replace_all(r"([ -~])\x{200D}+", "${1}")


def _unmarked(texts: pl.Series) -> pl.Series:
    texts = where_regex(texts, ["```", "~~~"], [(r"(?ms)^[ \t]*(?:```.*?(?:```|\z)|~~~.*?(?:~~~|\z))", "")])
    texts = where_regex(texts, ">!", [(r">!([^\n]*?)!<", "${1}")])

    def by_line(found: pl.Series) -> pl.Series:
        for pattern, replacement in BY_LINE:
            found = found.str.replace_all(pattern, replacement)
        return found

    marked = texts.str.contains(LINE_HINT) | matching(texts, ["\n"], f"(?m){LINE_HINT}")
    texts = changed_where(texts, marked, by_line)
    texts = where_regex(texts, "](", LINKS)
    texts = where_regex(texts, "]:", LINKS[1:])
    texts = where_regex(texts, "`", [(r"`+([^`]*)`+", "${1}")])
    texts = where_regex(texts, "*", EMPHASIS)
    texts = where_regex(texts, "_", UNDERSCORES)
    texts = where_regex(texts, "~~", [(r"~~([^~]*)~~", "${1}")])
    texts = where_regex(texts, "^", [(r"\^\(([^()]*)\)", "${1}"), (r"(^|\s)\^+(\S)", "${1}${2}")])
    return where_regex(texts, "\\", [(r"\\([\\`*_{}\[\]()#+.!>~|^<-])", "${1}")])
