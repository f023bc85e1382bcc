"""What the portraits corpus says about itself: words for its card, report and metadata; every number is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from corpusmith.assets.portraits.settings import Portraits
from corpusmith.curate.verdicts import REASONS
from corpusmith.emotions import EMOTIONS, VOCABULARIES
from corpusmith.release.inputs import Board, CardText, Stage
from corpusmith.score import generators, perceivers, scores
from corpusmith.validation.schema import PORTRAITS, PORTRAITS_REJECTED

STAGES: Final = (
    Stage(
        "images",
        "Each generator draws every prompt once, with a seed that comes from the row's key.",
        (),
        ("not_made",),
    ),
    Stage(
        "measured",
        "Each image is decoded and measured; what is blank, flat, dark, bright or blurred is rejected.",
        (),
        ("undecodable", "wrong_size", "blank", "flat", "dark", "bright", "blurred"),
    ),
    Stage(
        "looked at",
        "Classifiers look at each image; one without exactly one face, or not surely safe to show, is rejected.",
        (),
        ("no_face", "several_faces", "unsafe", "not_judged"),
    ),
    Stage(
        "duplicates",
        "What repeats an earlier image, or nearly does (perceptual hash, then embedding), is rejected.",
        (),
        ("exact_duplicate", "near_duplicate", "released_before"),
    ),
)

SCORES: Final = scores.SENTENCES | {
    "task": "generator, perceiver, or agreement (of the annotators).",
    "form": "Null here.",
    "layer": "Null here.",
    "depth": "Null here.",
    "metric": "What is measured; the card says what each is.",
    "label": "The emotion that a score is of; null: of all.",
    "degree": "The asked degree that a score is of; null: of all.",
    "other": "Of a comparison: the worse subject, that this one is held against.",
}

CARD: Final = CardText(
    title="Emotion portraits",
    tagline="Portraits of faces, the same prompts for every generator, with plan, seed and annotators of each image.",
    description=(
        "How well does a text-to-image model show an emotion, and how well does a model that looks at images read it? "
        "Both are measured on one corpus, as MEMO-Bench does (arXiv 2411.11235). A grammar writes the same prompts for "
        "every generator: each emotion at three degrees, balanced by design over who is shown, where, in which light "
        "and how. Every image keeps its prompt, model, revision, seed and settings, so that it can be drawn again. "
        "`emotion` is what was asked for; `emotion_seen`, `intensity` and `quality` are what named annotators see. "
        "What MEMO-Bench's release lacks is here: the generator and the prompt of each image, splits, and what was "
        "rejected. Its twelve models are not public; the generators here are our choice."
    ),
    licence="apache-2.0",
    licence_short="Metadata and images of house models: Apache-2.0. Other images: as their generator's licence says.",
    licence_text=(
        "Prompts, labels, measures, metadata and the images of house models are under Apache-2.0. What another "
        "generator drew may be used as that model's licence says; licences are in `manifest.json` with each model."
    ),
    personal_data=(
        "Nobody is shown: every face was drawn by a model from words. A model trained on photographs may still draw a "
        "face that resembles a real person; do not use the corpus to identify anyone, or to judge a person's emotions."
    ),
    language=("en",),
    task_categories=("image-classification", "text-to-image"),
    tags=("emotion", "faces", "synthetic", "text-to-image", "benchmark", "corpusmith"),
    label="emotion",
    labels=tuple(VOCABULARIES["memo"]),
    origins=(),
    stages=STAGES,
    columns={name: column.sentence for name, column in {**PORTRAITS_REJECTED, **PORTRAITS}.items()} | SCORES,
    reasons=REASONS,
    limits=(
        "An emotion is asked for in words and read from one face, without a situation: an actor's smile, not joy.",
        "Annotators are models unless `human` says otherwise. Their errors, measured on their own cards, are in "
        "`emotion_seen`, `intensity` and `quality`.",
        "An annotator that is scored as a perceiver too would agree with itself; so the truth of the perceivers' "
        "scores is what people saw, and what was asked for where nobody looked.",
        "Images that were rejected count against their generator in its score, but are no part of the rows.",
        "House models draw simple faces of 64 pixels: scores on them say how the factory works, not how published "
        "models do.",
    ),
    origin="generator",
    asked="ekman",
    seen="emotion_seen",
    group="prompt_id",
    order=("generator", "emotion"),
    label_columns={"ekman": EMOTIONS, "emotion_seen": EMOTIONS},
    measures=("sharpness", "brightness", "contrast", "colourfulness", "entropy", "intensity", "quality"),
    boards=(
        Board(
            generators.TASK,
            "Generators",
            "Who shows the emotion that was asked for: all portraits asked for count, the rejected as missed.",
            generators.METRICS,
            ("seen", "intensity", "quality"),
            "intensity",
        ),
        Board(
            perceivers.TASK,
            "Perceivers",
            "Who reads the portraits right, from coarse to fine: polarity, emotion, intensity.",
            perceivers.METRICS | {"f1": "of each emotion"},
            ("f1",),
        ),
    ),
)


def card(settings: Portraits) -> CardText:
    """The words for the emotions and generators of the settings."""
    return replace(CARD, labels=tuple(VOCABULARIES[settings.vocabulary]), origins=tuple(settings.generators))
