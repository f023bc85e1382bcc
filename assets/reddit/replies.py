"""What the probed models reply to comments: how a system prompt steers it, and how long a comment's emotion lasts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from corpusmith.assets.reddit import labelled, makers
from corpusmith.assets.reddit.labelled import Make
from corpusmith.assets.reddit.scores import instruct
from corpusmith.assets.reddit.settings import Reddit
from corpusmith.assets.resources import Workshop
from corpusmith.emotions import EMOTIONS
from corpusmith.errors import SettingsError
from corpusmith.models.text.chat import LocalChat
from corpusmith.score import persistence as lasting
from corpusmith.score import probes as probing
from corpusmith.score import resample
from corpusmith.score import steering as steered
from corpusmith.score.measured import measured
from corpusmith.score.scores import SCORES, VERSION, Measurement
from corpusmith.work.produce import Maker


def steering(balanced: pl.LazyFrame, make: Make, settings: Reddit) -> pl.LazyFrame:
    """Scores of every probed model's replies to test comments under each system prompt; none where none is asked for.

    Raises SettingsError where a model would judge its own replies.
    """
    if not settings.scores.steering.rows:
        return pl.LazyFrame(schema=SCORES)
    independent(settings)
    asked = _some(balanced, "test", settings.scores.steering.rows)
    judge = makers.judge(settings.models)
    parts = []
    for subject in settings.models.probed:
        maker = answerer(subject, settings)
        said = _judged(_answered(asked, make, maker, *steered.SYSTEMS), judge, make)
        parts += [_steered(said.filter(form=form), make, subject, maker, judge, settings) for form in steered.SYSTEMS]
    return pl.concat(parts)


def persistence(balanced: pl.LazyFrame, probes: pl.LazyFrame, make: Make, settings: Reddit) -> pl.LazyFrame:
    """Scores of a probe on the states of every probed model's replies, by offset; none where none is asked for.

    Replies to test comments are those of `steering` without a system prompt. The layer is the one at which the probe
    on the comment itself, in the same template, did best on the validation rows.
    """
    wanted = settings.scores
    if not (wanted.steering.rows and wanted.persistence.rows):
        return pl.LazyFrame(schema=SCORES)
    rows = {"train": wanted.persistence.rows, "test": wanted.steering.rows}
    asked = pl.concat([_some(balanced, split, of_it) for split, of_it in rows.items()])
    found = probes.collect()
    parts = []
    for subject in settings.models.probed:
        replies = _answered(asked, make, answerer(subject, settings), steered.NONE)
        states = lasting.ReplyStates(instruct(subject), layer=chosen_layer(found, subject))
        parts.append(_lasting(replies, make, subject, states, settings))
    return pl.concat(parts)


def independent(settings: Reddit) -> None:
    """Raises SettingsError where the judge is one of those that answer: nobody judges himself."""
    judge = settings.models.judge.removeprefix(makers.LLM)
    itself = [subject for subject in settings.models.probed if judge in (subject, instruct(subject))]
    if itself and settings.scores.steering.rows:
        raise SettingsError(
            f"reddit.models.judge: {judge} is one of reddit.models.probed and would judge its own replies; expected "
            "another model: name another judge, take it out of probed, or set reddit.scores.steering.rows to 0"
        )


def ready(workshop: Workshop) -> None:
    """Raises SettingsError where the scores could not be measured in the end."""
    independent(workshop.settings.reddit)


def answerer(subject: str, settings: Reddit) -> steered.Replies:
    """The maker of a probed model's replies."""
    return steered.Replies(LocalChat(instruct(subject)), settings.scores.steering.reply_tokens)


def chosen_layer(probes: pl.DataFrame, subject: str) -> int:
    """The layer that a model's probe did best at on the validation rows, in the chat template."""
    of = probes.filter(task="probe", subject=subject, form="template")
    return int(of.filter(pl.col("label").is_not_null())["layer"][0])  # only of that layer are there scores by emotion


def _some(balanced: pl.LazyFrame, split: str, rows: int) -> pl.DataFrame:
    """About so many rows of a split, as many of each emotion."""
    labelled = balanced.filter(pl.col("split") == split).select("key", "text", "emotion", "split").collect()
    return resample.under_sample(labelled, max(1, rows // len(EMOTIONS)))


def _answered(asked: pl.DataFrame, make: Make, maker: steered.Replies, *forms: str) -> pl.DataFrame:
    """The reply to each row under each system prompt: key (the reply's), sample (the row's) and form."""
    systems = pl.DataFrame({"form": forms, "system": [steered.SYSTEMS[form] for form in forms]})
    plan = systems.join(asked.rename({"key": "sample"}), how="cross", maintain_order="left_right")
    return make(plan.lazy(), maker).collect()


def _judged(replies: pl.DataFrame, judge: Maker, make: Make) -> pl.DataFrame:
    """Replies with the emotion that the judge sees (``seen``); null of an empty one, which nobody is shown."""
    shown = replies.filter(pl.col("reply").str.strip_chars() != "").select("key", text="reply")
    seen = labelled.judged(shown.lazy(), judge, make).select("key", seen="emotion").collect()
    return replies.join(seen, on="key", how="left", maintain_order="left")


def _steered(
    said: pl.DataFrame, make: Make, subject: str, maker: steered.Replies, judge: Maker, settings: Reddit
) -> pl.LazyFrame:
    form = said["form"][0]
    decides = {"system": steered.SYSTEMS[form], "judge": judge.fingerprint}
    this = _measurement("steering", subject, maker, _of(said), {**maker.settings, **decides}, settings, form=form)
    return measured(make, this, lambda: steered.score(said, this, settings.scores.bootstrap))


def _lasting(
    replies: pl.DataFrame, make: Make, subject: str, maker: lasting.ReplyStates, settings: Reddit
) -> pl.LazyFrame:
    longest = settings.scores.steering.reply_tokens
    training = probing.ProbeSettings(epochs=settings.scores.epochs, learning_rate=settings.scores.learning_rate)
    drawn = pl.Series(lasting.drawn(replies["key"].to_list(), replies["completion_tokens"].to_list()))
    grid = pl.lit(lasting.grid(longest), pl.List(pl.Int64))
    offsets = pl.when(split="train").then(drawn).otherwise(grid)
    plan = replies.select("sample", "text", "reply", "emotion", "split", offsets=offsets)
    states = make(plan.lazy(), maker)
    layer, layers = maker.layer, maker.shape[0] - 1
    decides = {**maker.settings, **asdict(training), "longest": longest}
    this = _measurement("persistence", subject, maker, _of(replies), decides, settings).at(layer, layers)

    def score() -> pl.DataFrame:
        rows = states.drop("key").rename({"sample": "key"}).collect()
        return lasting.score(rows, maker.shape[1], longest, this, training, settings.scores.bootstrap)

    return measured(make, this, score)


def _of(replies: pl.DataFrame) -> str:
    """What decides a score of replies besides the model: the digest of the comments and of what was replied."""
    return resample.digest(replies.select("key", text="reply", emotion="emotion", split="split"))


def _measurement(
    task: str,
    subject: str,
    maker: steered.Replies | lasting.ReplyStates,
    corpus: str,
    decides: dict[str, Any],
    settings: Reddit,
    **columns: Any,
) -> Measurement:
    said = maker.provenance
    return Measurement(
        task,
        subject,
        said["model"],
        said["revision"],
        {**decides, "draws": settings.scores.bootstrap, "scores": VERSION},
        corpus,
        device=said["device"],
        dtype=said["dtype"],
        **columns,
    )
