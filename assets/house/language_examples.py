"""Turns the house language model's reading into rows of tokens: tokenizer, prompts, repetition, packing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from corpusmith.emotions import EMOTIONS
from corpusmith.models.text import prompts

VOCABULARY = 6_000
CONTEXT = 128
SEED = 20261

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer_of(texts: list[str]) -> Any:
    """A byte-level BPE tokenizer with the chat template, trained on the texts and on the prompts."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = r"'(?i:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, SYSTEM, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    asked = [prompts.classify("")[0]["content"], *(prompts.write(emotion)[0]["content"] for emotion in EMOTIONS)]
    answers = [json.dumps({"emotion": emotion}) for emotion in EMOTIONS]
    bpe.train_from_iterator([*texts, *(asked + answers) * 200], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=PAD, eos_token=END, padding_side="left", model_max_length=512
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def examples(texts: dict[str, pl.DataFrame], share: float) -> pl.DataFrame:
    """Every example of the run in the order of training: ``kind`` (write, classify, plain), ``emotion``, ``text``.

    Rare emotions are read more often, up to ten times. ``share`` scales the length of the run.
    """
    draw = np.random.default_rng(SEED)

    def repeated(rows: pl.DataFrame, epochs: float) -> pl.DataFrame:
        number = round(len(rows) * epochs * share)
        whole, rest = divmod(number, len(rows))
        some = rows[np.sort(draw.permutation(len(rows))[:rest])]
        return pl.concat([*[rows] * whole, some])

    single = texts["goemotions"].filter(pl.col("labels").list.len() == 1)
    single = single.select("text", emotion=pl.col("labels").list.first())
    shown = texts["goemotions"].explode("labels").rename({"labels": "emotion"}).select("text", "emotion")
    parts: list[pl.DataFrame] = []
    for emotion in EMOTIONS:
        shows, only = (rows.filter(pl.col("emotion") == emotion) for rows in (shown, single))
        weak, bank = (texts[name].filter(pl.col("emotion") == emotion) for name in ("weak", "bank"))
        write = [
            repeated(shows, np.clip(20_000 / len(shows), 1.5, 10)),
            repeated(weak, np.clip(10_000 / len(weak), 1, 4)),
            repeated(bank, 1.5),
        ]
        ask = [repeated(only, np.clip(12_000 / len(only), 2, 8)), repeated(bank, 0.2)]
        parts += [rows.with_columns(kind=pl.lit("write")) for rows in write]
        parts += [rows.with_columns(kind=pl.lit("classify")) for rows in ask]
    plain = [repeated(texts["posts"], 1.5), repeated(texts["goemotions"].select("text"), 1)]
    parts += [rows.select("text", emotion=pl.lit(None, pl.String), kind=pl.lit("plain")) for rows in plain]
    columns = ["kind", "emotion", "text"]
    every = pl.concat([rows.select(columns) for rows in parts])
    when = draw.uniform(0, 1, len(every))
    when = np.where((every["kind"] == "plain").to_numpy(), 0.75 * when, 0.1 + 0.9 * when)  # plain text first
    return every[np.argsort(when, kind="stable")]


def encoded(tokenizer: Any, rows: pl.DataFrame) -> tuple[list[list[int]], list[list[float]]]:
    """Token ids of each example and the weight of predicting each of them: prompts 0, texts 1, the label 2."""
    end, user, assistant = tokenizer.convert_tokens_to_ids([END, USER, ASSISTANT])
    content = {emotion: tokenizer.encode(prompts.write(emotion)[0]["content"]) for emotion in EMOTIONS}
    question = tokenizer.encode(prompts.classify("")[0]["content"])
    answers = {emotion: tokenizer.encode(json.dumps({"emotion": emotion})) for emotion in EMOTIONS}
    common = set.intersection(*map(set, answers.values()))
    counted = {emotion: [0.1 if token in common else 2.0 for token in answer] for emotion, answer in answers.items()}
    ids: list[list[int]] = []
    weights: list[list[float]] = []
    bodies = tokenizer(rows["text"].to_list(), add_special_tokens=False)["input_ids"]
    for kind, emotion, body in zip(rows["kind"], rows["emotion"], bodies, strict=True):
        if kind == "write":
            asked = [user, *content[emotion], end, assistant]
            one, weight = [*asked, *body, end], [0.0] * len(asked) + [1.0] * (len(body) + 1)
        elif kind == "classify":
            asked = [user, *question]
            one = [*asked, *body, end, assistant, *answers[emotion], end]
            weight = [0.0] * len(asked) + [0.4] * len(body) + [0.0, 0.0, *counted[emotion], 0.1]
        else:
            one, weight = [*body, end], [0.0] + [1.0] * len(body)
        if len(one) <= CONTEXT:
            ids.append(one)
            weights.append(weight)
    return ids, weights


def packed(ids: list[list[int]], weights: list[list[float]]) -> dict[str, np.ndarray[Any, Any]]:
    """Examples laid into rows of CONTEXT tokens, each in one piece: arrays of shape (rows, CONTEXT).

    ids: the tokens. place: where in its example each stands. example: which of its row, from 1; 0 is padding.
    weight: of predicting it.
    """
    rows: list[list[int]] = []
    for start in range(0, len(ids), 4096):
        pool = sorted(range(start, min(start + 4096, len(ids))), key=lambda n: -len(ids[n]))
        room: list[list[list[int]]] = [[] for _ in range(CONTEXT + 1)]  # open rows by the tokens that still fit
        for number in pool:
            size = len(ids[number])
            free = next((left for left in range(size, CONTEXT) if room[left]), CONTEXT)
            row = room[free].pop() if free < CONTEXT else []
            room[free - size].append([*row, number])
        opened = [row for of_size in room for row in of_size]
        order = np.random.default_rng([SEED, start]).permutation(len(opened))
        rows += [opened[n] for n in order]
    arrays = {
        "ids": np.zeros((len(rows), CONTEXT), np.int16),
        "place": np.zeros((len(rows), CONTEXT), np.int16),
        "example": np.zeros((len(rows), CONTEXT), np.int16),
        "weight": np.zeros((len(rows), CONTEXT), np.float16),
    }
    for number, row in enumerate(rows):
        at = 0
        for nth, example in enumerate(row, start=1):
            stop = at + len(ids[example])
            arrays["ids"][number, at:stop] = ids[example]
            arrays["place"][number, at:stop] = np.arange(stop - at)
            arrays["example"][number, at:stop] = nth
            arrays["weight"][number, at:stop] = weights[example]
            at = stop
    return arrays
