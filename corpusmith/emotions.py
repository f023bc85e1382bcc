"""The emotions that every corpus speaks of, and how their vocabularies and polarities map."""

from typing import Final

EMOTIONS: Final = ("joy", "sadness", "anger", "fear", "surprise", "disgust", "neutral")
"""Ekman's six and neutral, in the order of every table and plot."""

VOCABULARIES: Final = {
    "memo": {
        "happy": "joy",
        "sad": "sadness",
        "angry": "anger",
        "surprise": "surprise",
        "worry": "fear",
        "neutral": "neutral",
    },
    "ekman": {emotion: emotion for emotion in EMOTIONS},
}
"""Each vocabulary's labels, in order, with Ekman's word: MEMO-Bench's (arXiv 2411.11235; its worry is folded into
fear, as its evaluators do) and Ekman's own."""

POLARITY: Final = {
    "joy": "positive",
    "sadness": "negative",
    "anger": "negative",
    "fear": "negative",
    "disgust": "negative",
    "surprise": "ambiguous",
    "neutral": "neutral",
}
"""Of Ekman's words, as GoEmotions groups them (Demszky et al. 2020, section 3): surprise may be either."""
