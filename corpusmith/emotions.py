"""The seven emotions of the text corpus (Ekman's six and neutral), in the order of every table and plot."""

from typing import Final

EMOTIONS: Final = ("joy", "sadness", "anger", "fear", "surprise", "disgust", "neutral")
