"""How long a comment's emotion lasts in a model's reply: a probe on the states of the reply, token after token.

The protocol is that of "Decoding Emotion in the Deep" (arXiv 2510.04064, figure 7): the probe sees the state k tokens
into the reply and a learned embedding of k, is trained on random k, and is evaluated over k.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.emotions import EMOTIONS
from corpusmith.models.text.language import Language
from corpusmith.score import bootstrap, metrics, probes, resample, scores
from corpusmith.score.hidden_states import Form, HiddenStates, halves, passes
from corpusmith.work.plan import seeds

Ints = np.ndarray[Any, np.dtype[np.int64]]
Halves = np.ndarray[Any, np.dtype[np.float16]]

VERSION: Final = 1  # of how offsets are drawn and states of replies taken: raise it when that changes
DRAWN: Final = 32
"""Random offsets of a training reply: all are read in one pass, so that more of them cost nothing but room."""
REACHED: Final = 0.1
"""Share of the test replies that must be so long for an offset to be evaluated: what fewer show is mostly chance."""
WHOLE: Final = 1 << 20  # tokens: a prompt is not cut, since the reply was written to all of it


@dataclass
class ReplyStates(HiddenStates):
    """A maker of ``states``: what a layer holds at given offsets of a reply; float16 [offsets * width], one by one.

    Inputs: text, reply, and offsets, a list of numbers of tokens that ascends. Offset 0 is the last token of the
    prompt, where the answer begins: that state is HiddenStates' in form "template". Offset k is the k-th token of the
    reply, as the tokenizer cuts its text. Offsets beyond the reply's end are left out: they are the last ones.
    layer: 0 is the embeddings, as everywhere. Nothing is said to the model but the text: there is no system prompt.
    """

    form: Form = field(default="template", init=False)
    max_tokens: int = field(default=WHOLE, init=False)
    batch_rows: int = 256
    layer: int = 0
    name: str = field(default="reply-states", init=False)
    inputs: tuple[str, ...] = field(default=("text", "reply", "offsets"), init=False)

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides a state besides model, text, reply and offsets."""
        return {**super().settings, "layer": self.layer, "replies": VERSION}

    @cached_property
    def schema(self) -> pa.Schema:
        """states: list of float16; seconds: float32."""
        return pa.schema({"states": pa.list_(pa.float16()), "seconds": pa.float32()})

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The states of each reply; rows of like length share a pass."""
        loaded = self.loaded
        began = time.perf_counter()
        shown = self.tokens(rows["text"].to_pylist())
        replies = loaded.tokenizer(rows["reply"].to_pylist(), add_special_tokens=False, verbose=False)["input_ids"]
        whole = [[*prompt, *reply] for prompt, reply in zip(shown, replies, strict=True)]
        asked = zip(shown, replies, rows["offsets"].to_pylist(), strict=True)
        places = [[len(prompt) - 1 + k for k in offsets if k <= len(reply)] for prompt, reply, offsets in asked]
        before = time.perf_counter()
        budget = self._budget(whole)
        began += time.perf_counter() - before  # the search for it is no row's
        states = states_at(loaded, whole, places, self.layer, budget)
        bad = [row for row, each in enumerate(states) if np.isnan(each).any()]
        if bad:
            raise ValueError(f"{self.model} made NaN of row {rows['key'][bad[0]].as_py()}")
        share = (time.perf_counter() - began) / rows.num_rows
        seconds = pa.array(np.full(rows.num_rows, share, dtype=np.float32))
        flat = pa.array([each.ravel() for each in states], self.schema.field("states").type)
        return pa.record_batch([flat, seconds], schema=self.schema)


def states_at(
    loaded: Language, tokens: Sequence[Sequence[int]], places: Sequence[Sequence[int]], layer: int, token_budget: int
) -> list[Halves]:
    """The states of a layer at places of each text, (places, width) float16, in the order of ``tokens``."""
    found: list[Halves] = [np.empty((0, 0), dtype=np.float16)] * len(tokens)
    for rows, _, layers in passes(loaded, tokens, token_budget):
        for number, row in enumerate(rows.tolist()):
            found[row] = halves(layers[layer][number, list(places[row])])
    return found


def grid(longest: int) -> list[int]:
    """The offsets at which a probe is evaluated: 0, 1, 2, 4, 8 and so on, and the longest."""
    return [0, *(1 << power for power in range(longest.bit_length()) if 1 << power < longest), longest]


def drawn(keys: Sequence[str], lengths: Sequence[int]) -> list[list[int]]:
    """For each reply of so many tokens DRAWN different random offsets from 0 to its end, or all; by its key."""
    offsets = []
    for seed, length in zip(seeds(keys).tolist(), lengths, strict=True):
        random = np.random.Generator(np.random.Philox(seed))
        offsets.append(sorted(random.permutation(length + 1)[:DRAWN].tolist()))
    return offsets


def score(
    rows: pl.DataFrame,
    width: int,
    longest: int,
    measured: scores.Measurement,
    settings: probes.ProbeSettings,
    draws: int,
) -> pl.DataFrame:
    """Accuracy, and the recall of each emotion, of a probe at each offset of the grid up to ``longest``.

    rows: key, emotion, split (train or test), offsets, states and seconds (of making them), as ReplyStates made them of
    ``drawn`` offsets of training replies and of the ``grid`` of test ones. Only replies that are so long count at an
    offset: n says how many; one that fewer than REACHED of them get to is left out. Raises BalanceError when there are
    no rows to train or to test on.
    """
    began = time.perf_counter()
    reading = float(rows["seconds"].sum())
    table, states = unfolded(rows, width)
    train, _, test = resample.splits(table)
    seen = placed(states, table["offset"].to_numpy(), longest)
    balanced = resample.over_sample(train)
    probe = probes.fit(
        seen,
        balanced["row"].to_numpy(),
        scores.numbers(balanced["emotion"]),
        replace(settings, hidden=settings.hidden or width),
        bootstrap.generator(measured.key),
    )
    predicted = probes.predict(probe, seen, test["row"].to_numpy())[0]
    done = replace(
        measured,
        seconds=reading + time.perf_counter() - began,
        rows_per_second=rows.height / reading if reading else None,
        settings={**measured.settings, **asdict(settings), "offsets": DRAWN, "reached": REACHED},
    )
    found = []
    replies = rows.filter(split="test").height
    for offset in grid(longest):
        here = test["offset"].to_numpy() == offset
        matrix = metrics.confusion(scores.numbers(test["emotion"].filter(here)), predicted[here], len(EMOTIONS))
        if matrix.sum() >= REACHED * replies:
            found += _at(matrix, replace(done, form=f"offset {offset}"), draws)
    return scores.table(found)


def unfolded(rows: pl.DataFrame, width: int) -> tuple[pl.DataFrame, Halves]:
    """A row for each state: key (its row's, with the offset), emotion, split, offset, row; and the states (n, d)."""
    reached = pl.col("states").list.len() // width
    table = rows.select("key", "emotion", "split", offset=pl.col("offsets").list.head(reached))
    table = table.explode("offset", empty_as_null=False).with_row_index("row")
    key = pl.format("{}-{}", "key", pl.col("offset").cast(pl.String).str.zfill(6))
    states = rows["states"].explode(empty_as_null=False).to_numpy().reshape(-1, width)
    return table.with_columns(key=key, offset=pl.col("offset").cast(pl.Int64)), states


def placed(states: Halves, offsets: Ints, longest: int) -> Halves:
    """States (n, d) with their offset as one more input that is 1, of longest + 1; shape (n, 1, d + longest + 1).

    What a probe's first layer learns of that input is added to what it makes of the state, W(h + e_k) = Wh + u_k: the
    learned embedding of the offset.
    """
    which = np.zeros((len(states), longest + 1), dtype=np.float16)
    which[np.arange(len(states)), offsets] = 1
    return np.concatenate([states, which], axis=1)[:, None]


def _at(matrix: Ints, measured: scores.Measurement, draws: int) -> list[dict[str, Any]]:
    resamples = bootstrap.resampled(matrix, measured.key, draws=draws)
    rows, recall, recalls = matrix.sum(axis=1), metrics.recall(matrix), metrics.recall(resamples)
    by_emotion = [
        scores.score(measured, "recall", float(recall[i]), recalls[:, i], int(rows[i]), label=emotion)
        for i, emotion in enumerate(EMOTIONS)
    ]
    return scores.overall_of(measured, matrix, resamples, {"accuracy": metrics.accuracy}) + by_emotion
