"""Reasons for a rejection, as codes that can be counted and queried."""

from typing import Final

REASONS: Final[dict[str, str]] = {
    "broken_line": "the line is not a JSON object with a text",
    "deleted": "deleted by its author or removed by a moderator",
    "bot": "written by a bot",
    "boilerplate": "a moderator's or bot's boilerplate",
    "non_english": "not written in English",
    "too_short": "fewer words than the minimum",
    "too_long": "more characters than the maximum",
    "nsfw": "marked as not safe for work",
    "exact_duplicate": "the same text as an earlier row",
    "near_duplicate": "nearly the same text as an earlier row (Jaccard of word shingles)",
    "not_judged": "the judge failed, or gave no answer that could be read",
    "wrong_emotion": "the judge did not see the emotion that was asked for",
    "low_confidence": "the judge was less sure of the emotion than the minimum",
    "content_lost": "the rewrite lost too much of its source's content",
    "copies_source": "the rewrite is its source again",
    "memorised": "shares too long a passage with the text that the model learned from",
    "personal_data": "a model wrote what looks like personal data",
    "surplus": "fit, but its emotion already had enough rows",
}
