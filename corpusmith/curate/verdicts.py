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
    "exact_duplicate": "the same text or image as an earlier row",
    "near_duplicate": "nearly the same as an earlier row (text: Jaccard of word shingles; image: hash, then embedding)",
    "not_judged": "the judge failed, or gave no answer that could be read",
    "wrong_emotion": "the judge did not see the emotion that was asked for",
    "low_confidence": "the judge was less sure of the emotion than the minimum",
    "content_lost": "the rewrite lost too much of its source's content",
    "copies_source": "the rewrite is its source again",
    "memorised": "shares too long a passage with the text that the model learned from",
    "personal_data": "a model wrote what looks like personal data",
    "undecodable": "no image can be read from the bytes: empty, of no known format, too large, truncated or damaged",
    "wrong_size": "not of the width and height that were asked for",
    "blank": "of a single grey",
    "flat": "less contrast than the minimum",
    "dark": "more black pixels than the maximum",
    "bright": "more white pixels than the maximum",
    "blurred": "less sharp than the minimum (variance of the Laplacian)",
    "no_face": "no face is seen where there should be one",
    "several_faces": "more than one face is seen where there should be one",
    "unsafe": "less surely safe than the minimum, says the safety classifier",
    "surplus": "fit, but its emotion already had enough rows",
}
