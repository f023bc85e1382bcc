"""Measure images as pictures: sharpness, exposure, contrast, colour, information and a perceptual hash."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.curate.image_hashes import Hashes, perceptual_hashes
from corpusmith.curate.images import misnamed, opened
from corpusmith.work.plan import fingerprint

Floats = np.ndarray[Any, np.dtype[np.float32]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]

SIDE: Final = 128
"""Pixels of the longest side at which an image is looked at, at most."""
THUMBNAIL: Final = 64
SLICE: Final = 32  # images that a core looks at before it measures their thumbnails: these stay in its cache
VERSION: Final = 1  # of what is measured and how: raise it when that changes

DARK: Final = 25
BRIGHT: Final = 230
"""Luma (0 to 255) below and above which a pixel is as good as black or white: the outer tenths."""
MOST_COLOURFUL: Final = 109.0
"""Hasler and Süsstrunk's value for "extremely colourful" (2003, section 4)."""
BLANK: Final = 1.0
"""Standard deviation of the luma, in grey levels, under which there is nothing to hash."""

FACTS: Final = pa.schema(
    {
        "problem": pa.string(),
        "format": pa.string(),
        "misnamed": pa.bool_(),
        "mode": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
    }
)
MEASURES: Final = pa.schema(
    {
        "sharpness": pa.float32(),
        "brightness": pa.float32(),
        "contrast": pa.float32(),
        "colourfulness": pa.float32(),
        "entropy": pa.float32(),
        "dark_share": pa.float32(),
        "bright_share": pa.float32(),
        "brightness_bin": pa.int8(),
        "colourfulness_bin": pa.int8(),
        "phash": pa.uint64(),
    }
)


def measure(images: pa.Array) -> pl.DataFrame:
    """The columns of FACTS and MEASURES for each of ``images`` (struct of bytes and path), in their order.

    problem: null, or why there are no pixels (a code of `images.PROBLEMS`); the measures are null then.
    format, misnamed, mode, width, height: by content; whether the path's suffix says another format.
    sharpness: variance of the Laplacian of the luma, in squared grey levels (Pech-Pacheco et al. 2000), of the image
    at SIDE pixels or less, so that sizes compare.
    brightness, contrast: mean and standard deviation of the luma (Rec. 601), 0 to 1.
    colourfulness: Hasler and Süsstrunk 2003 ("Measuring colourfulness in natural images", equation 9) by
    MOST_COLOURFUL, 0 to 1.
    entropy: of the luma's histogram, in bits, 0 to 8.
    dark_share, bright_share: of the pixels, those below DARK and above BRIGHT.
    brightness_bin, colourfulness_bin: rounded to tenths, 0 to 10: the eleven steps of EmoSet's attributes.
    phash: see `image_hashes.perceptual_hashes`; null for an image of one grey, whose coefficients are but noise.

    Images are decoded once, side by side on all cores, and their pixels are let go one after the other.
    """
    if not len(images):
        return pl.DataFrame(schema=pl.Schema([*pl.Schema(FACTS).items(), *pl.Schema(MEASURES).items()]))
    slices = [images.slice(start, SLICE) for start in range(0, len(images), SLICE)]
    parts = list(_cores().map(_looks, slices))
    facts = pl.DataFrame([row for rows, _ in parts for row in rows], schema=pl.Schema(FACTS), orient="row")
    seen = pl.concat([pl.DataFrame(columns) for _, columns in parts])
    visible = facts["problem"].is_null()
    return facts.hstack(
        seen.with_columns(
            phash=pl.when(pl.col("contrast") * 255 >= BLANK).then("phash"),
            brightness_bin=(pl.col("brightness") * 10).round(),
            colourfulness_bin=(pl.col("colourfulness") * 10).round(),
        ).select(pl.when(visible).then(name).cast(dtype).alias(name) for name, dtype in pl.Schema(MEASURES).items())
    )


class Inspector:
    """Makes the columns of MEASURES of each ``image``, its problem and its format: the rest of FACTS is known of it."""

    name = "inspector"
    inputs = ("image_sha256",)
    carried = ("image",)
    schema = pa.schema([*list(FACTS)[:3], *MEASURES])
    fingerprint = fingerprint(name, "corpusmith/curate", str(VERSION), {})
    provenance: Final[dict[str, Any]] = {"model": "corpusmith/curate", "revision": str(VERSION)}

    def __init__(self, batch_rows: int = 1024) -> None:
        self.batch_rows = batch_rows

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One row for each image; one that cannot be opened is no failure but a row that says so."""
        table = measure(rows["image"]).select(self.schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
        return table.cast(self.schema).combine_chunks().to_batches()[0]


@dataclass(frozen=True)
class Thresholds:
    """What is fit: the least and the most of what `measure` says, and of what classifiers say where one was asked."""

    min_sharpness: float = 50.0
    min_contrast: float = 0.03
    max_dark_share: float = 0.95
    max_bright_share: float = 0.95
    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    one_face: bool = False
    """Whether ``faces`` (0, 1, or 2 for several; null where nobody can tell) has to be 1."""
    min_safety: float | None = None
    """Of ``safety``, the probability that an image is safe to show. One that was not judged (null) is not surely so."""


def verdicts(images: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """``images`` with verdict (kept or rejected) and reasons (list of codes of curate.verdicts: all that apply).

    It has the columns of FACTS and MEASURES, and faces and safety where the thresholds ask for them. What cannot be
    decoded has no other reason, and what is blank is not called flat or blurred too.
    """
    blank = pl.col("contrast") * 255 < BLANK
    rejections = {
        "undecodable": pl.col("problem").is_not_null(),
        "blank": blank,
        "flat": ~blank & (pl.col("contrast") < thresholds.min_contrast),
        "dark": pl.col("dark_share") > thresholds.max_dark_share,
        "bright": pl.col("bright_share") > thresholds.max_bright_share,
        "blurred": ~blank & (pl.col("sharpness") < thresholds.min_sharpness),
    }
    if thresholds.size:
        width, height = thresholds.size
        rejections["wrong_size"] = (pl.col("width") != width) | (pl.col("height") != height)
    if thresholds.one_face:
        rejections |= {"no_face": pl.col("faces") == 0, "several_faces": pl.col("faces") > 1}
    if thresholds.min_safety is not None:
        rejections["unsafe"] = pl.col("safety") < thresholds.min_safety
        rejections["not_judged"] = pl.col("safety").is_null() & pl.col("problem").is_null()
    codes = [pl.when(applies).then(pl.lit(code)) for code, applies in rejections.items()]
    return images.with_columns(reasons=pl.concat_list(codes).list.drop_nulls()).with_columns(
        verdict=pl.when(pl.col("reasons").list.len() > 0).then(pl.lit("rejected")).otherwise(pl.lit("kept"))
    )


class _Look(NamedTuple):
    """What is kept of an image when its pixels are let go."""

    facts: tuple[str | None, str | None, bool, str | None, int | None, int | None]
    colours: Pixels
    grey: Pixels
    histogram: list[int]
    sharpness: float


def _looks(images: pa.Array) -> tuple[list[Any], dict[str, Floats | Hashes]]:
    """The facts of each image, and what its pixels say, each (n,)."""
    looks = [_look(image["bytes"].as_py(), image["path"].as_py()) for image in images]
    return [look.facts for look in looks], {
        "sharpness": np.array([look.sharpness for look in looks], np.float32),
        "colourfulness": _colourfulness(np.stack([look.colours for look in looks])),
        "phash": perceptual_hashes(np.stack([look.grey for look in looks])),
        **_of_luma(np.array([look.histogram for look in looks])),
    }


def _look(data: bytes | None, path: str | None) -> _Look:
    from PIL import Image

    found = opened(data, SIDE)
    wrong = misnamed(found.format, path)
    facts = (found.problem, found.format, wrong, found.mode, found.width, found.height)
    if found.pixels is None:
        return _Look(facts, *_NOTHING)
    small = found.pixels.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX, reducing_gap=1.0)
    luma = found.pixels.convert("L")
    sharpness = _sharpness(np.asarray(luma))
    return _Look(facts, np.asarray(small), np.asarray(small.convert("L")), luma.histogram(), sharpness)


_NOTHING: Final = (
    np.zeros((THUMBNAIL, THUMBNAIL, 3), np.uint8),
    np.zeros((THUMBNAIL, THUMBNAIL), np.uint8),
    [1] * 256,
    0.0,
)


def _sharpness(luma: Pixels) -> float:
    """The variance of the Laplacian, over all pixels that have four neighbours; 0 where none has."""
    if min(luma.shape) < 3:
        return 0.0
    grey = luma.astype(np.int16)
    laplacian = 4 * grey[1:-1, 1:-1]
    for neighbours in (grey[:-2, 1:-1], grey[2:, 1:-1], grey[1:-1, :-2], grey[1:-1, 2:]):
        laplacian -= neighbours
    differences = laplacian.astype(np.float64)
    differences -= differences.mean()
    np.multiply(differences, differences, out=differences)
    return float(differences.mean())  # as laplacian.var() to the bit, in half the time


def _of_luma(histograms: Numbers) -> dict[str, Floats]:
    """What the histograms (n, 256) of the luma say: brightness, contrast, entropy and the shares; each (n,) float32."""
    shares = histograms / histograms.sum(axis=1, keepdims=True)
    levels = np.arange(256) / 255
    mean = shares @ levels
    logarithms = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    measures = {
        "brightness": mean,
        "contrast": np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0)),
        "entropy": -(shares * logarithms).sum(axis=1),
        "dark_share": shares[:, :DARK].sum(axis=1),
        "bright_share": shares[:, BRIGHT + 1 :].sum(axis=1),
    }
    return {name: values.astype(np.float32) for name, values in measures.items()}


def _colourfulness(colours: Pixels) -> Floats:
    """Of thumbnails (n, side, side, 3): the spread of the opponent colours and their distance from grey; (n,)."""
    red, green, blue = np.moveaxis(colours.astype(np.int16), -1, 0)
    red_green = (red - green).reshape(len(colours), -1).astype(np.float32)
    yellow_blue = (red + green - 2 * blue).reshape(len(colours), -1).astype(np.float32) / 2
    distance = red_green.mean(axis=1) ** 2 + yellow_blue.mean(axis=1) ** 2
    squares = sum(np.einsum("ij,ij->i", opponent, opponent) for opponent in (red_green, yellow_blue))
    spread = np.maximum(squares / red_green.shape[1] - distance, 0)
    colourfulness: Floats = np.minimum((np.sqrt(spread) + 0.3 * np.sqrt(distance)) / MOST_COLOURFUL, 1)
    return colourfulness


@cache
def _cores() -> ThreadPoolExecutor:
    """A thread for each core: Pillow and numpy let go of the interpreter while they work."""
    return ThreadPoolExecutor(os.cpu_count(), "images")
