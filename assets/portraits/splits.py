"""Splits that keep a prompt together over all generators."""

from __future__ import annotations

import hashlib

import polars as pl

from corpusmith.curate.balance import assign_splits
from corpusmith.errors import SettingsError
from corpusmith.settings import Splits


def splits(prompts: pl.DataFrame, settings: Splits) -> pl.DataFrame:
    """The split of each prompt: prompt_id, split; every split has its share of each emotion's prompts.

    The words of a prompt decide, whichever images were made of it, so another version keeps most prompts where they
    were. Raises SettingsError where so few prompts leave a split without any.
    """
    digests = [hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in prompts["prompt"]]
    fractions = {
        "train": 1 - settings.validation - settings.test,
        "validation": settings.validation,
        "test": settings.test,
    }
    groups = prompts.select("emotion", group=pl.Series(digests))
    placed = prompts.select("prompt_id", split=assign_splits(groups, fractions))
    empty = [name for name in fractions if name not in placed["split"]]
    if empty:
        raise SettingsError(
            f"portraits.splits: {prompts.height} prompts leave none for {' and '.join(empty)}; raise the shares, or "
            "portraits.prompts.per_emotion"
        )
    return placed
