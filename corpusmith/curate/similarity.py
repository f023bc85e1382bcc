"""Measure how much of a text's content is still there after it was rewritten."""

from __future__ import annotations

from typing import Final

import polars as pl

# what a sentence can do without and still state the same facts; short forms as they are typed
FUNCTION_WORDS: Final = """
a about after again all also am an and any are aren't as at be because been before being both but by can can't could
couldn't did didn't do does doesn't doing don't done else even ever every few for from get gets getting go goes going
gonna got had hadn't has hasn't have haven't having he he's her here hers him his how i i'd i'll i'm i've if im in into
is isn't it it's its itself just kind kinda let let's like lot lots many may maybe me might more most much must my
myself no not of off oh ok okay on once one only or other our ours out over own quite rather really same she she's
should shouldn't so some something still such than that that's the their theirs them then there there's these they
they're they've thing things this those though to too until up us very was wasn't way we we're we've well were weren't
what what's when where which while who who's why will with won't would wouldn't yeah yes yet you you'd you'll you're
you've your yours
"""

_WORD: Final = r"[\p{L}\p{N}]+(?:'\p{L}+)*"
_NUMBER: Final = r"\p{N}+(?:[.,:]\p{N}+)*"
_SENTENCE_START: Final = r"(?:^|[.!?:\n]\s*)[^\p{L}\p{N}]*\p{L}+"
_NAME: Final = r"^\p{Lu}."
_PIECE: Final = r"[\p{L}\p{N}]+"


def content_kept(source: pl.Series, rewrite: pl.Series) -> pl.Series:
    """The share of each source's content words that its rewrite has as well; shape (n,), Float64, from 0 to 1.

    A content word is any that is not in FUNCTION_WORDS; case does not count, and neither does how often it is said.
    A number, or a name (a capital inside a sentence), is a fact: where one is lost, the rewrite kept 0.
    A source without content words has nothing to lose: 1.
    """
    texts = pl.DataFrame({"source": _plain(source), "rewrite": _plain(rewrite)})
    words, kept = pl.col("words"), pl.col("kept")
    return (
        texts.select(
            words=_all("source", _WORD).list.set_difference(pl.lit(FUNCTION_WORDS.split())),
            facts=_facts("source"),
            kept=pl.concat_list(_all("rewrite", form) for form in (_WORD, _NUMBER, _PIECE)),
        )
        .select(
            pl.when(pl.col("facts").list.set_difference(kept).list.len() > 0)
            .then(0.0)
            .when(words.list.len() == 0)
            .then(1.0)
            .otherwise(words.list.set_intersection(kept).list.len() / words.list.n_unique())
            .alias("content_kept")
        )
        .to_series()
    )


def _plain(texts: pl.Series) -> pl.Series:
    return texts.fill_null("").str.replace_all("’", "'", literal=True)


def _all(text: str, form: str) -> pl.Expr:
    return pl.col(text).str.extract_all(form).list.eval(pl.element().str.to_lowercase())


def _facts(text: str) -> pl.Expr:
    inside = pl.col(text).str.replace_all(_SENTENCE_START, ". ")
    names = inside.str.extract_all(_PIECE).list.eval(pl.element().filter(pl.element().str.contains(_NAME)))
    return pl.concat_list(_all(text, _NUMBER), names.list.eval(pl.element().str.to_lowercase()))
