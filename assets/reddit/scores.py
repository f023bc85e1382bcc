"""What a language model knows of the corpus's emotions, and how far what was written can be told from people's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import polars as pl

from corpusmith.assets.reddit import makers
from corpusmith.assets.reddit.labelled import Make
from corpusmith.assets.reddit.settings import Reddit, Scores
from corpusmith.emotions import EMOTIONS
from corpusmith.models.text.chat import LocalChat
from corpusmith.score import baselines, opinions, resample
from corpusmith.score import naturalness as natural
from corpusmith.score import probes as probing
from corpusmith.score import zero_shot as asking
from corpusmith.score.hidden_states import Form, HiddenStates
from corpusmith.score.measured import measured
from corpusmith.score.scores import SCORES, VERSION, Measurement

PAPER: Final = {
    "Qwen/Qwen3-0.6B": ("Qwen/Qwen3-0.6B-Base", "Qwen/Qwen3-0.6B"),
    "Qwen/Qwen3-1.7B": ("Qwen/Qwen3-1.7B-Base", "Qwen/Qwen3-1.7B"),
    "Qwen/Qwen3-4B": ("Qwen/Qwen3-4B-Base", "Qwen/Qwen3-4B"),
    "Qwen/Qwen3-8B": ("Qwen/Qwen3-8B-Base", "Qwen/Qwen3-8B"),
    "meta-llama/Llama-3.2-1B": ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B-Instruct"),
    "meta-llama/Llama-3.2-3B": ("meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct"),
    "meta-llama/Llama-3.1-8B": ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct"),
}
"""The pre-trained and the instruct checkpoint of each of the paper's models (arXiv 2510.04064)."""


def probes(balanced: pl.LazyFrame, make: Make, settings: Reddit) -> pl.LazyFrame:
    """Scores of every layer of every probed model in every form, and of the baselines on the same test rows."""
    rows = _labelled(balanced)
    parts = [baseline_scores(rows, make, settings.scores)]
    for subject in settings.models.probed:
        parts += [probe_scores(rows, make, subject, maker, settings.scores) for maker in forms(subject)]
    return pl.concat(parts)


def zero_shot(balanced: pl.LazyFrame, make: Make, settings: Reddit) -> pl.LazyFrame:
    """Scores of every probed model when it is asked for the emotion of test rows."""
    rows = _labelled(balanced)
    return pl.concat([zero_shot_scores(rows, make, subject, settings.scores) for subject in settings.models.probed])


def naturalness(balanced: pl.LazyFrame, make: Make, settings: Scores) -> pl.LazyFrame:
    """How far rewritten and synthetic rows can be told from natural ones of the same emotion, and what they repeat."""
    rows = balanced.select("key", "text", "emotion", "origin", "source_text", "writer", "split").collect()
    decides = {**natural.SETTINGS, "draws": settings.bootstrap, "scores": VERSION}
    this = Measurement("naturalness", "naturalness", "naturalness", "", decides, resample.digest(rows))
    return measured(make, this, lambda: natural.score(rows, this, settings.bootstrap))


def instruct(subject: str) -> str:
    """The instruction-tuned checkpoint of a probed model: itself, where it is none of the paper's."""
    return PAPER.get(subject, ("", subject))[1]


def agreement(stages: Sequence[pl.LazyFrame], make: Make, settings: Reddit) -> pl.LazyFrame:
    """How far the judges agree on all that both read, rejected for it or not; nothing without a second judge."""
    second = makers.second_judge(settings.models)
    if second is None:
        return pl.LazyFrame(schema=SCORES)
    columns = ("key", "origin", "text", "emotion", "second_emotion", "judge")
    rows = pl.concat([stage.select(columns) for stage in stages]).drop_nulls("second_emotion").collect()
    if rows.is_empty():
        return pl.LazyFrame(schema=SCORES)
    decides = {"judge": rows["judge"][0], "draws": settings.scores.bootstrap, "scores": VERSION}
    said = rows.select("key", "text", "emotion", split="second_emotion")
    named = second.provenance
    this = Measurement("agreement", "judges", named["model"], named["revision"], decides, resample.digest(said))
    return measured(make, this, lambda: opinions.score(rows, this, settings.scores.bootstrap))


def forms(subject: str) -> list[HiddenStates]:
    """The makers of a model's hidden states: pre-trained where that checkpoint is known, raw, and in its template."""
    shown: list[tuple[str, Form]] = [(instruct(subject), "raw"), (instruct(subject), "template")]
    if subject in PAPER:
        shown.insert(0, (PAPER[subject][0], "pre-trained"))
    return [HiddenStates(model, form) for model, form in shown]


def probe_scores(rows: pl.DataFrame, make: Make, subject: str, maker: HiddenStates, settings: Scores) -> pl.LazyFrame:
    """Scores of each layer of one model in one form."""
    training = probing.ProbeSettings(epochs=settings.epochs, learning_rate=settings.learning_rate)
    made = make(rows.lazy().rename({"key": "sample"}), maker)
    states = made.rename({"key": "states_key", "sample": "key"})
    decides = {**maker.settings, **asdict(training), "draws": settings.bootstrap, "scores": VERSION}
    this = Measurement(
        "probe",
        subject,
        maker.model,
        maker.revision,
        decides,
        resample.digest(rows),
        form=maker.form,
        device=maker.provenance["device"],
        dtype=maker.provenance["dtype"],
    )
    layers = maker.shape[0] - 1
    return measured(make, this, lambda: probing.score(states, layers, this, training, settings.bootstrap))


def zero_shot_scores(rows: pl.DataFrame, make: Make, subject: str, settings: Scores) -> pl.LazyFrame:
    """Accuracy, coverage and what was taken for what, of one model on as many test rows of each emotion."""
    asked = resample.under_sample(
        rows.filter(pl.col("split") == "test"), max(1, settings.zero_shot_rows // len(EMOTIONS))
    )
    chat = LocalChat(instruct(subject), temperature=0.0)
    maker = asking.ZeroShot(chat)
    answers = make(asked.lazy().rename({"key": "sample"}), maker)
    this = Measurement(
        "zero-shot",
        subject,
        chat.name,
        chat.revision,
        {**maker.settings, "draws": settings.bootstrap, "scores": VERSION},
        resample.digest(asked),
        form="template",
        device=chat.provenance["device"],
        dtype=chat.provenance["dtype"],
    )
    return measured(make, this, lambda: asking.score(answers.collect(), this, settings.bootstrap))


def baseline_scores(rows: pl.DataFrame, make: Make, settings: Scores) -> pl.LazyFrame:
    """Scores of the majority class and of TF-IDF with logistic regression."""
    decides = {**baselines.SETTINGS, "draws": settings.bootstrap, "scores": VERSION}
    this = Measurement("baseline", "baselines", "baselines", "", decides, resample.digest(rows))
    return measured(make, this, lambda: baselines.score(rows, this, settings.bootstrap))


def _labelled(balanced: pl.LazyFrame) -> pl.DataFrame:
    return balanced.select("key", "text", "emotion", "split").collect()
