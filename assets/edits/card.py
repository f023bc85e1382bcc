"""What the edits corpus says about itself: words for its card, report and metadata; every number is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from corpusmith.assets.edits import scores as scoring
from corpusmith.assets.edits.settings import Edits
from corpusmith.curate.verdicts import REASONS
from corpusmith.release.inputs import Board, CardText, Stage
from corpusmith.score import scores
from corpusmith.validation.schema import EDITS, EDITS_REJECTED

KINDS: Final = ("real", "drawn", "generated")

STAGES: Final = (
    Stage(
        "scenes",
        "Photographs of a source, or scenes that are drawn and generated, at a bounded size.",
        (),
        ("not_made", "undecodable"),
    ),
    Stage(
        "regions",
        "Things with their masks, of the source or found by a model, and places that are free.",
        (),
        ("no_region",),
    ),
    Stage(
        "turns",
        "One to three edits, one after the other: an editor paints a region anew, all else stays as it was.",
        (),
        (),
    ),
    Stage(
        "curated",
        "An edit must have happened and be what was asked for, as a judge sees it that is no editor; the rest of the "
        "image must be as before. A chain ends before its first unfit edit.",
        (),
        ("unchanged", "not_as_asked", "outside_changed", "not_judged", "after_failed", "chain_failed"),
    ),
)

METRICS: Final = {
    "miou": "intersection over union, mean over classes, all images together",
    "boundary_miou": "the same of the pixels near contours (Boundary IoU)",
    "pixel_accuracy": "share of the pixels",
    "macro_f1": "F1, mean over classes",
}
SCORES: Final = scores.SENTENCES | {
    "task": "yield, localisation, attribution, robustness, parts, unseen or whole image; the card says what each is.",
    "form": "Of robustness: the distortion. Of parts: which part of the test images. Of unseen: what was held out.",
    "layer": "Null here.",
    "depth": "Null here.",
    "metric": "What is measured; the card says what each is.",
    "label": "The class that a score is of: untouched, edited, or an editor; null: of all.",
    "degree": "Null here.",
    "other": "Null here.",
}

CARD: Final = CardText(
    title="Multi-turn diffusion edits",
    tagline="Images edited up to three times by different diffusion models, and which of them made which pixel.",
    description=(
        "Which pixels of an image did a model paint, and which model? Chains of edits with exact masks, as DiffSeg30k "
        "has them (arXiv 2511.19111), and what its release lacks: every image in between, every region, prompt, order, "
        "seed and setting, a check that each edit happened and is what was asked for, and how far each editor changed "
        "what it was to leave alone. Outside the regions every pixel is that of the base, bit for bit: the outside is "
        "put back, and the leak of the editor is a column. `mask` says of each pixel who painted it last: 0 nobody, k "
        "the k-th editor of the settings."
    ),
    licence="other",
    licence_short="Metadata, masks and images of house models: Apache-2.0. Others: as their scene and editor say.",
    licence_text=(
        "Masks, prompts, metadata, drawn scenes and what house models painted are under Apache-2.0. A photograph stays "
        "under its own licence (`licence`), and what another editor painted may be used as that model's licence says; "
        "licences are in `manifest.json` with each model."
    ),
    personal_data=(
        "Drawn and generated scenes show nobody. Photographs of a source may show people: its terms hold, and edits of "
        "people are not what they did."
    ),
    language=("en",),
    task_categories=("image-segmentation", "image-to-image"),
    tags=("image-editing", "inpainting", "forensics", "synthetic", "diffusion", "benchmark", "corpusmith"),
    label="editor",
    labels=(),
    origins=KINDS,
    stages=STAGES,
    columns={name: column.sentence for name, column in {**EDITS_REJECTED, **EDITS}.items()} | SCORES,
    reasons=REASONS,
    limits=(
        "Edits are hard-edged within their region: a seam may give them away that a soft brush would not leave.",
        "The judge is a model and errs; what it saw of each turn is there to judge anew.",
        "Editors are balanced by design before the judge looks; after that an editor that fails more often is rarer.",
        "Images are PNG, never compressed with loss: scores on them are an upper bound for images in the wild.",
        "House editors paint simple drawings of 64 pixels: scores on them say how the factory works, not how published "
        "models do.",
    ),
    origin="kind",
    order=("kind", "editor"),
    label_columns={"operation": ("add", "remove", "change"), "kind": KINDS},
    measures=("leak",),
    strips=("base", "turns"),
    boards=(
        Board(
            scoring.REGIONS,
            "Regions of the finder",
            "How well its masks agree with those that drawings know, before they are widened; one not found is 0.",
            {"iou": "intersection over union, mean over things", "boundary_iou": "the same near contours"},
            ("iou",),
            ranked=False,
        ),
        Board(
            scoring.YIELD,
            "Yield of the editors",
            "Which share of its edits is fit: what happened and is as it was asked for.",
            {"kept": "share of the edits that were judged by themselves"},
            ranked=False,
        ),
        Board(
            scoring.LOCALISATION,
            "Which pixels were edited",
            "Segmenters trained on the train split, measured on the test split; two classes.",
            METRICS,
            ranked=False,
        ),
        Board(
            scoring.ATTRIBUTION,
            "Who edited which pixel",
            "The same with a class for each editor and one for nobody.",
            METRICS | {"iou": "of each editor"},
            ("iou",),
            ranked=False,
        ),
        Board(
            scoring.ROBUSTNESS,
            "After distortions",
            "Localisation on test images that were compressed, scaled, blurred, or otherwise worn, untrained for it.",
            METRICS,
            ranked=False,
        ),
        Board(
            scoring.WHOLE,
            "Whole images",
            "Edited images told from their bases: by the largest chance of a segmenter's pixels (its upper hundredth), "
            "and by classifiers of whole images trained on the same.",
            {"auc": "area under the ROC curve", "accuracy": "at a chance of one half"},
            ranked=False,
        ),
        Board(
            scoring.LEFT_OUT,
            "Unseen editors and scenes",
            "Localisation of what was held out of the training, beside the same of a segmenter that saw it.",
            METRICS,
            ranked=False,
        ),
        Board(scoring.PARTS, "By part", "Localisation on parts of the test images.", METRICS, ranked=False),
    ),
)


def card(settings: Edits) -> CardText:
    """The words for the editors and scenes of the settings."""
    kinds = ("real",) if settings.source else KINDS[1:]
    return replace(CARD, labels=tuple(settings.editors), origins=kinds)
