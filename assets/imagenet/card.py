"""What the imagenet corpus says about itself: words for its card, report and metadata; every number is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from corpusmith.assets.imagenet import scores as scoring
from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.assets.imagenet.training import ALL, BOTH, GENERATED, REAL
from corpusmith.assets.imagenet.ways import strategies
from corpusmith.curate.verdicts import REASONS
from corpusmith.release.inputs import Board, CardText, Stage
from corpusmith.score import scores
from corpusmith.validation.schema import IMAGENET, IMAGENET_REJECTED

STAGES: Final = (
    Stage(
        "images",
        "Each real image once in each way: from its class, a template, a caption, itself, or itself and a template.",
        (),
        ("not_made",),
    ),
    Stage(
        "measured",
        "Each image is decoded and measured; what is blank, flat, dark, bright, blurred or unsafe is rejected.",
        (),
        ("undecodable", "blank", "flat", "dark", "bright", "blurred", "unsafe", "not_judged"),
    ),
    Stage(
        "of its class",
        "Tests say whether an image shows its class, each at the threshold at which it would remove a stated share of "
        "the real images; one that passes too few of them is rejected.",
        (),
        ("out_of_class",),
    ),
    Stage(
        "copies",
        "What is nearly a real image, or repeats an earlier row, is rejected.",
        (),
        ("copies_real", "exact_duplicate", "near_duplicate"),
    ),
)

SCORES: Final = scores.SENTENCES | {
    "task": "recognition, diversity, shift or amount; the card says what each is.",
    "form": "Which images: of recognition all or the kept ones, of shift the test set, of amount how many.",
    "layer": "Null here.",
    "depth": "Null here.",
    "metric": "What is measured; the card says what each is.",
    "label": "The class that a score is of; null: of all.",
    "degree": "Null here.",
    "other": "Null here.",
}

FIGURE: Final = {
    "ImageNet-1K": {BOTH: 0.730, REAL: 0.743, GENERATED: 0.301},
    "Sketch": {BOTH: 0.343, REAL: 0.217, GENERATED: 0.204},
    "ImageNet-R": {BOTH: 0.503, REAL: 0.353, GENERATED: 0.359},
    "ImageNet-V2": {BOTH: 0.610, REAL: 0.619, GENERATED: 0.239},
    "ObjectNet": {BOTH: 0.333, REAL: 0.323, GENERATED: 0.170},
}
"""Accuracy in ImageNet-G's figure (arXiv 2302.02503); which network it is of is not stated there."""


def _metrics(*names: str) -> dict[str, str]:
    return {name: scoring.METRICS[name] for name in names}


CARD: Final = CardText(
    title="Generated ImageNet",
    tagline="Images of real classes by text-to-image and image-to-image models, each paired with a real image.",
    description=(
        "Does training on generated images help where the world shifts? For each real image one is generated in each "
        "of up to five ways, as ImageNet-G does (arXiv 2302.02503): from the name of its class, from one of CLIP's "
        "templates, from a caption, from the image itself, and from the image and a template. What that study's "
        "release lacks is here: seed, settings and revision of each image, so that it can be made again, and a check "
        "of what came out: whether it shows its class, whether it is a copy of a real image, whether it repeats. "
        "`label` has the names of all of ImageNet's 1,000 classes, in its order."
    ),
    licence="other",
    licence_short="Metadata, drawings and images of house models: Apache-2.0. Others: as their model and source say.",
    licence_text=(
        "Prompts, metadata, drawings and the images of house models are under Apache-2.0. What another model drew may "
        "be used as its licence says, and an image that was made from a photograph as the terms of that allow as well: "
        "ImageNet's are for research that is not commercial. Licences are in `manifest.json` with each model."
    ),
    personal_data=(
        "Drawings show nobody. What a model drew from a photograph of a person may resemble that person; do not use "
        "the corpus to identify anyone."
    ),
    task_categories=("image-classification", "text-to-image"),
    tags=("imagenet", "synthetic", "text-to-image", "image-to-image", "robustness", "benchmark", "corpusmith"),
    label="label",
    labels=(),
    origins=(),
    stages=STAGES,
    columns={name: column.sentence for name, column in {**IMAGENET_REJECTED, **IMAGENET}.items()} | SCORES,
    reasons=REASONS,
    limits=(
        "Whether an image shows its class is said by models that learned from real images: what they cannot see is "
        "rejected, so the rows are easier for models like them than what the generators make.",
        "Generators learned from images of the internet; whether a test set was among them nobody knows.",
        "Splits are those of the real images: a generator knows nothing of them, but for the adapted one, which "
        "learned from the train split alone.",
        "House models draw simple things of 64 pixels: scores on them say how the factory works, not how published "
        "models do.",
    ),
    origin="strategy",
    asked="label",
    seen="seen",
    group="source",
    beside="source_image",
    order=("wnid", "strategy", "generator"),
    measures=("recognized", "nearest_similarity", "sharpness", "contrast", "colourfulness"),
    boards=(
        Board(
            scoring.RECOGNITION,
            "Recognizability",
            "How often a classifier that learned from real images sees the class that was asked for.",
            _metrics("recognized"),
            ranked=False,
        ),
        Board(
            scoring.DIVERSITY,
            "Diversity",
            "How varied the images of a class are, to the embedder, mean over classes; of the real images beside.",
            _metrics("spread", "entropy", "intrinsic_dimension"),
            ranked=False,
        ),
        Board(
            scoring.SHIFT,
            "Under shift",
            "Classifiers trained alike on real images, on generated ones, and on as many of both, tested on images of "
            "other kinds.",
            _metrics("accuracy"),
            ranked=False,
            published=FIGURE,
            published_by="ImageNet-G, arXiv 2302.02503, on photographs; its network is not stated",
        ),
        Board(
            scoring.SHIFT,
            "Effective robustness",
            "Accuracy beyond what a line predicts from the accuracy on real images; the line goes through classifiers "
            "that learned from real images alone (Taori et al. 2020, arXiv 2007.00644).",
            _metrics("effective_robustness"),
            ranked=False,
        ),
        Board(
            scoring.SHIFT,
            "How well the line fits",
            "Where it explains little of the family's accuracies, effective robustness says little too; its slope and "
            "intercept are in the scores.",
            _metrics("r2"),
            ranked=False,
        ),
        Board(
            scoring.SHIFT,
            "Failure points",
            "At which severity of a nuisance a test image is first taken for another class (CNS-Bench, arXiv "
            "2507.17651).",
            _metrics("failure_point"),
            ranked=False,
        ),
        Board(
            scoring.SHIFT,
            "Calibration",
            "How far confidence and accuracy are apart.",
            _metrics("ece"),
            ranked=False,
        ),
        Board(
            scoring.AMOUNT,
            "By amount",
            "The same with more and more generated images beside the real ones.",
            _metrics("shifted_accuracy", "accuracy"),
            ranked=False,
        ),
    ),
)


def card(settings: ImageNet, classes: Sequence[str], every: Sequence[str]) -> CardText:
    """The words for the strategies of the settings and the names of the chosen classes; every: those of all 1,000."""
    few = len(classes) <= MOST_SEEN
    return replace(
        CARD,
        boards=tuple(_with_curves(board, settings) for board in CARD.boards),
        labels=tuple(classes),
        origins=tuple(strategies(settings)),
        label_columns={"label": tuple(every), "strategy": tuple(strategies(settings))},
        seen=CARD.seen if few else None,
        asked=CARD.asked if few else "",
    )


def _with_curves(board: Board, settings: ImageNet) -> Board:
    """The board with the lines that are drawn of accuracies: of each network by what it learns from."""
    learns = {"accuracy": (REAL, f"{GENERATED} ({ALL})", f"{BOTH} ({ALL})"), "shifted_accuracy": (REAL, BOTH)}
    drawn = learns.get(next(iter(board.metrics)), ())
    return replace(board, curves=tuple(f"{network}, {one}" for network in settings.scores.networks for one in drawn))


MOST_SEEN: Final = 40
"""Classes of which a matrix of what was asked for against what was seen can be read."""
