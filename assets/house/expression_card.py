"""What the card of a house reader of expressions says, every number of it measured on drawings that it never saw."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from PIL import Image

from corpusmith.assets.house.degrade import FAULTS, degraded
from corpusmith.assets.house.expression import FADING, RECIPES
from corpusmith.assets.house.expression_drawings import CLASSES, Floats, Portraits, drawn, empty, side_by_side
from corpusmith.assets.house.readers import SEEDS, front_matter, pixels, rounded, size, tensor
from corpusmith.drawings.canvas import Pixels
from corpusmith.emotions import EMOTIONS
from corpusmith.models.perceivers import Classifier
from corpusmith.score import bootstrap

HELD_OUT: Final = 4_000
GROUP: Final = 1_000  # of pictures with one face, two and none
BINS: Final = (0.25, 0.5, 0.75, 1.0)  # of the strength of faults
TIMED: Final = 2_000
OF_CLASS: Final = np.array([EMOTIONS.index(label.partition("/")[0]) for label in CLASSES])
ASKED: Final = np.array([int(label[-1]) / 3 for label in CLASSES], np.float32)

ABOUT: Final = {
    "expression-cnn": "A ResNet of four stages (`ResNetForImageClassification`).",
    "expression-vit": "A vision transformer with patches of 8 pixels (`ViTForImageClassification`).",
}


def measure(folder: Path, rows: int = HELD_OUT) -> dict[str, Any]:
    """The card's figures of a shipped model, on drawings from SEEDS["held-out"], with 95 % bootstrap intervals."""
    reader = Classifier(str(folder))
    draw = np.random.default_rng(SEEDS["held-out"])
    seen = drawn(rows, SEEDS["held-out"])
    strength = draw.random(rows).astype(np.float32)
    ruined = pixels(degraded(tensor(seen.pixels), strength, draw, tuple(FAULTS)))
    clean, faulty = read(reader, seen.pixels), read(reader, ruined)
    return {
        "held_out": rows,
        "parameters": sum(weights.numel() for weights in reader.network.parameters()),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "clean": _of_clean(clean, seen),
        "faults": _of_faults(faulty, seen, strength),
        "faces": _of_faces(reader, seen, draw),
        "images_per_second_and_core": speed(reader, seen.pixels[:TIMED]),
    }


def read(reader: Classifier, images: Pixels) -> dict[str, Any]:
    """The columns of a reading as arrays."""
    made = reader.read([Image.fromarray(image) for image in images])
    emotions = np.stack([made[f"p_{emotion}"] for emotion in EMOTIONS], axis=1)
    return {"emotion": emotions.argmax(axis=1)} | {
        name: made[name].to_numpy(zero_copy_only=False) for name in ("intensity", "quality", "faces")
    }


def _of_clean(said: dict[str, Any], seen: Portraits) -> dict[str, Any]:
    truth = OF_CLASS[seen.expression]
    right = said["emotion"] == truth
    matrix = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    np.add.at(matrix, (truth, said["emotion"]), 1)
    return {
        "emotion_accuracy": share(right, "clean"),
        "by_degree": {
            str(degree): rounded(right[np.isclose(ASKED[seen.expression], degree / 3)].mean()) for degree in range(4)
        },
        "confusion": matrix.tolist(),
        "intensity_srcc": rank(said["intensity"], ASKED[seen.expression], "intensity"),
        "intensity_mae": rounded(np.abs(said["intensity"] - ASKED[seen.expression]).mean()),
        "quality_mean": rounded(said["quality"].mean()),
    }


def _of_faults(said: dict[str, Any], seen: Portraits, strength: Floats) -> dict[str, Any]:
    right = said["emotion"] == OF_CLASS[seen.expression]
    which = np.searchsorted(BINS, strength)
    return {
        "emotion_accuracy_by_strength": {
            f"up to {most}": share(right[which == place], f"strength {most}") for place, most in enumerate(BINS)
        },
        "quality_srcc": rank(said["quality"], 1 - strength, "quality"),
        "quality_mae": rounded(np.abs(said["quality"] - (1 - strength)).mean()),
    }


def _of_faces(reader: Classifier, seen: Portraits, draw: np.random.Generator) -> dict[str, Any]:
    one, other = (tensor(seen.pixels[start : start + GROUP]) for start in (0, GROUP))
    groups = (empty(GROUP, SEEDS["held-out"]), seen.pixels[:GROUP], pixels(side_by_side(one, other, draw)))
    return {
        name: share(read(reader, group)["faces"] == number, f"faces {number}")
        for number, (name, group) in enumerate(zip(("none", "one", "two"), groups, strict=True))
    }


def speed(reader: Any, images: Pixels) -> int:
    """Images a second from PNG bytes to readings, on one core."""
    import io

    import torch

    encoded = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        encoded.append({"bytes": file.getvalue(), "path": None})
    column = pa.array(encoded, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    rows = pa.record_batch({"image": column})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    reader.make(rows.slice(0, 64))
    began = time.process_time()
    reader.make(rows)
    spent = time.process_time() - began
    torch.set_num_threads(threads)
    return round(len(images) / spent)


def share(right: Any, key: str) -> dict[str, Any]:
    """The mean of true and false, (n,), with its interval."""
    right = np.asarray(right, np.float64)
    low, high = bootstrap.mean_interval(right, key)
    return {"value": rounded(right.mean()), "interval": [rounded(low), rounded(high)], "n": len(right)}


def rank(said: Any, truth: Any, key: str) -> dict[str, Any]:
    """Spearman's correlation of two columns, (n,) each, with its interval."""
    from scipy.stats import rankdata

    def correlation(rows: Any) -> Any:
        a, b = (rankdata(values[rows], axis=1) for values in (said, truth))
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))

    low, high = bootstrap.interval(len(said), correlation, key, draws=300)
    value = float(correlation(np.arange(len(said))[None])[0])
    return {"value": rounded(value), "interval": [rounded(low), rounded(high)], "n": len(said)}


def card(name: str, metrics: dict[str, Any]) -> str:
    """README.md of the model."""
    clean, faults, faces = metrics["clean"], metrics["faults"], metrics["faces"]
    confusion = "\n".join(
        f"| {emotion} | " + " | ".join(map(str, counts)) + " |"
        for emotion, counts in zip(EMOTIONS, clean["confusion"], strict=True)
    )
    by_degree = ", ".join(f"{clean['by_degree'][str(degree)]:.3f} at degree {degree}" for degree in range(4))
    by_strength = "\n".join(
        f"| emotion, faults of strength {name} | {said(found)} |"
        for name, found in faults["emotion_accuracy_by_strength"].items()
    )
    unlearned = ", ".join(fault for fault in FAULTS if fault not in RECIPES[name].faults)
    return f"""{front_matter("image-classification", ["emotion", "faces"])}
# {name}

The emotion, its intensity, the number of faces and the quality of a portrait of 64 by 64 pixels.
{ABOUT[name]} {size(metrics)}
Made by `assets/house/expression.py`, which also wrote this card: every number below was measured by it.

Its labels come in groups, each to be softmaxed on its own: nineteen of emotion and degree ("joy/3"), "faces/0" to
"faces/2" (none, one, several), and "quality", a sigmoid. `corpusmith.models.perceivers.Classifier` reads them.

## Data

Portraits that the project draws itself (`corpusmith/drawings/portraits.py`), drawn anew all through the training:
{RECIPES[name].steps:,} batches of 64. Seeds from {SEEDS[name]:,}: none is one that a house generator learns from, and
none is measured on. Pictures of no face (places, objects) and of two. Seven pictures in ten carry faults of a known
strength, 0 to 1, which is what quality is learned from (1 less the strength): {", ".join(RECIPES[name].faults)}.
The expression of a ruined picture counts up to {FADING:.0%} less. Beside its labels it learned to tell action units and
the other traits; that layer is left out.

## Measured on {metrics["held_out"]:,} drawings of other seeds (95 % bootstrap intervals)

| | |
|---|---|
| emotion, one of seven, clean | **{said(clean["emotion_accuracy"])}** |
| intensity, rank correlation | {said(clean["intensity_srcc"])} |
| intensity, mean absolute error | {clean["intensity_mae"]:.3f} |
{by_strength}
| quality, rank correlation, all kinds of faults | {said(faults["quality_srcc"])} |
| quality, mean absolute error | {faults["quality_mae"]:.3f} |
| no face told | {said(faces["none"])} |
| one face told | {said(faces["one"])} |
| two faces told | {said(faces["two"])} |
| images a second and core, from PNG to reading | {metrics["images_per_second_and_core"]:,} |

Clean ones by degree: {by_degree}. Clean ones, a row for each true emotion:

| | {" | ".join(EMOTIONS)} |
|---|{"---|" * len(EMOTIONS)}
{confusion}

## Limits

- It knows drawings of one style. Of photographs or of other generators' pictures nothing is claimed.
- The faults stand for what generation and storage do. Kinds that it did not learn from: {unlearned}.
- Quality is a strength of known faults, not a person's opinion.
- Not for judging people.
"""


def said(found: dict[str, Any]) -> str:
    """A value and its interval."""
    low, high = found["interval"]
    return f"{found['value']:.3f} ({low:.3f}–{high:.3f})"
