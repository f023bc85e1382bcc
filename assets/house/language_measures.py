"""Measures the house language model on text it has not seen, and writes its card from the numbers."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from corpusmith.curate.memorised import WORDS, index_of, longest_overlap
from corpusmith.emotions import EMOTIONS
from corpusmith.models.text import prompts

JUDGE = "house/emotion-judge"
CARD = Path(__file__).with_name("language_card.md")
TEXTS_PER_EMOTION = 300
MEMORISED_WORDS = WORDS  # a longer stretch than this counts, as in params.yaml


def measure(model: Path, texts: dict[str, pl.DataFrame], held_out: pl.DataFrame) -> dict[str, Any]:
    """Perplexity, zero-shot accuracy and the quality of generated texts of the model in a folder."""
    from corpusmith.models.text.language import load

    language = load(str(model))
    single = held_out.filter(pl.col("labels").list.len() == 1).select("text", emotion=pl.col("labels").list.first())
    single = single.unique("text", maintain_order=True)
    return {
        "parameters": sum(p.numel() for p in language.model.parameters()),
        "held_out": "GoEmotions dev, rows with one label, filtered like the training text",
        "held_out_rows": len(single),
        "perplexity": perplexities(language, single),
        "zero_shot": zero_shot(model, single),
        "generated": generated(model, texts),
    }


def perplexities(language: Any, rows: pl.DataFrame) -> dict[str, float]:
    """Per-token perplexity of texts alone, asked for by their emotion, and asked for by another emotion."""
    others = [EMOTIONS[(EMOTIONS.index(emotion) + 1 + n % 6) % 7] for n, emotion in enumerate(rows["emotion"])]
    asked = {
        "text alone": [""] * len(rows),
        "asked for by its emotion": [_prompt(language, emotion) for emotion in rows["emotion"]],
        "asked for by another emotion": [_prompt(language, emotion) for emotion in others],
    }
    return {name: round(_perplexity(language, heads, rows["text"].to_list()), 2) for name, heads in asked.items()}


def _prompt(language: Any, emotion: str) -> str:
    return str(
        language.tokenizer.apply_chat_template(prompts.write(emotion), tokenize=False, add_generation_prompt=True)
    )


def _perplexity(language: Any, heads: list[str], texts: list[str]) -> float:
    """exp of the mean loss of the text tokens after the first and the end token, given each head."""
    import torch

    tokenizer = language.tokenizer
    lead = [tokenizer.encode(head) for head in heads]
    rows = [[*head, *tokenizer.encode(text), tokenizer.eos_token_id] for head, text in zip(lead, texts, strict=True)]
    order = sorted(range(len(rows)), key=lambda n: len(rows[n]))
    loss = count = 0.0
    for start in range(0, len(order), 64):
        part = order[start : start + 64]
        longest = len(rows[part[-1]])
        ids = torch.tensor([rows[n] + [0] * (longest - len(rows[n])) for n in part])
        with torch.inference_mode():
            chances = language.model(input_ids=ids).logits[:, :-1].log_softmax(-1)
        losses = -chances.gather(2, ids[:, 1:, None])[:, :, 0]
        for row, n in enumerate(part):
            said = losses[row, len(lead[n]) : len(rows[n]) - 1]
            loss += said.sum().item()
            count += len(said)
    return float(np.exp(loss / count))


def zero_shot(model: Path, rows: pl.DataFrame) -> dict[str, float]:
    """Accuracy and macro-F1 over all rows (an unreadable answer is wrong), and the share that could be read."""
    from sklearn.metrics import f1_score

    from corpusmith.models.text.chat import LocalChat
    from corpusmith.models.text.writers import emotion_of

    chat = LocalChat(str(model), temperature=0.0)
    seeds = np.zeros(len(rows), dtype=np.uint64)
    answers = chat.answer([prompts.classify(text) for text in rows["text"]], seeds, 16, None)
    named = [emotion_of(str(answer)) or "" for answer in answers]
    right = np.array(named) == rows["emotion"].to_numpy()
    return {
        "accuracy": round(float(right.mean()), 4),
        "macro_f1": round(float(f1_score(rows["emotion"], named, average="macro", labels=list(EMOTIONS))), 4),
        "coverage": round(float(np.mean([bool(name) for name in named])), 4),
    }


def generated(model: Path, texts: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """What comes out when each emotion is asked for TEXTS_PER_EMOTION times: control, distinctness, copying, pace."""
    import pyarrow as pa

    from corpusmith.models.text.classify import predict
    from corpusmith.models.text.writers import HouseGenerator
    from corpusmith.work.plan import keys

    maker = HouseGenerator(model=str(model))
    plan = pl.DataFrame({"emotion": EMOTIONS}).join(pl.DataFrame({"number": range(TEXTS_PER_EMOTION)}), how="cross")
    plan = plan.insert_column(0, keys(plan, maker.name, maker.inputs))  # the weights do not choose the seeds
    batches = plan.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches(maker.batch_rows)
    maker.make(batches[0].slice(0, 7))  # loads the weights
    began = time.monotonic()
    made = pa.Table.from_batches([maker.make(batch) for batch in batches])
    seconds = time.monotonic() - began
    written = plan.hstack(pl.DataFrame(pl.from_arrow(made)))
    seen = np.array(EMOTIONS)[predict(JUDGE, made["text"]).argmax(axis=1)]
    written = written.with_columns(seen=pl.Series(seen.tolist()))
    by_emotion = written.group_by("emotion").agg(share=(pl.col("emotion") == pl.col("seen")).mean())
    control = dict(by_emotion.iter_rows())
    words = written["text"].str.to_lowercase().str.extract_all(r"[\p{L}\p{N}']+")
    pairs = [pair for text in words for pair in pairwise(text)]
    own = pl.concat([texts["goemotions"]["text"], texts["posts"]["text"]])
    exact = index_of(own, 32_000_000)  # large enough to be as good as exact
    copied = longest_overlap(written["text"], exact).to_numpy()
    return {
        "texts": len(written),
        "judge": JUDGE,
        "read_as_asked": {emotion: round(control[emotion], 3) for emotion in EMOTIONS},
        "read_as_asked_mean": round(float(np.mean(list(control.values()))), 3),
        "distinct_texts": round(written["text"].n_unique() / len(written), 4),
        "distinct_word_pairs": round(len(set(pairs)) / len(pairs), 4),
        "words_median": float(np.median(words.list.len().to_numpy())),
        f"share_with_over_{MEMORISED_WORDS}_words_verbatim": round(float(np.mean(copied > MEMORISED_WORDS)), 4),
        "share_with_phrase_bank_sentence": round(_from_bank(written["text"], texts["bank"]["text"]), 3),
        "texts_per_second": round(len(written) / seconds, 1),
    }


def _from_bank(written: pl.Series, bank: pl.Series) -> float:
    """The share of texts of which a whole sentence stands in the phrase bank."""
    ends = r"[.!?]+\s*"
    known = set(bank.str.replace_all(ends, "\n").str.split("\n").explode().unique()) - {"", None}
    split = written.str.replace_all(ends, "\n").str.split("\n")
    return float(np.mean([any(sentence in known for sentence in text) for text in split]))


def card(measured: dict[str, Any]) -> str:
    """The model card: what the model is, what it learned from, what was measured, what it is not for."""
    perplexity, zero, made = measured["perplexity"], measured["zero_shot"], measured["generated"]
    control = "\n".join(f"| {emotion} | {share:.0%} |" for emotion, share in made["read_as_asked"].items())
    return CARD.read_text(encoding="utf-8").format(
        parameters=f"{measured['parameters']:,}",
        tokens=f"{measured['tokens'] / 1e6:.1f}",
        steps=f"{measured['steps']:,}",
        rows=f"{measured['held_out_rows']:,}",
        alone=perplexity["text alone"],
        own=perplexity["asked for by its emotion"],
        other=perplexity["asked for by another emotion"],
        accuracy=zero["accuracy"],
        f1=zero["macro_f1"],
        coverage=zero["coverage"],
        texts=f"{made['texts']:,}",
        judge=made["judge"],
        control=control,
        mean=f"{made['read_as_asked_mean']:.0%}",
        distinct=f"{made['distinct_texts']:.1%}",
        pairs=f"{made['distinct_word_pairs']:.1%}",
        words=f"{made['words_median']:.0f}",
        verbatim=f"{made[f'share_with_over_{MEMORISED_WORDS}_words_verbatim']:.1%}",
        bank=f"{made['share_with_phrase_bank_sentence']:.0%}",
        pace=f"{made['texts_per_second']:.0f}",
        longest=MEMORISED_WORDS,
    )
