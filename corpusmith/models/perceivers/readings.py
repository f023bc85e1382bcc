"""What every perceiver says of a portrait: which emotion, how strong, how good the picture is, how many faces."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from corpusmith.emotions import EMOTIONS

IMAGE: Final = ("image",)
"""The column that a perceiver is handed: struct{bytes, path}."""
HASH: Final = ("image_sha256",)
"""The column that decides its key: equal images are read once, whatever their names."""
DEGREES: Final = 3
"""Of an emotion: slightly, plainly, extremely."""

READING: Final = pa.schema(
    [
        pa.field("emotion", pa.string()),
        *(pa.field(f"p_{emotion}", pa.float32()) for emotion in EMOTIONS),
        pa.field("intensity", pa.float32()),
        pa.field("quality", pa.float32()),
        pa.field("faces", pa.int8()),
    ]
)
"""Probabilities that sum to one and the likeliest emotion; intensity 0 (none) to 1 (extreme); quality 0 (ruined) to 1
(clean); faces 0, 1 or 2 (several). Null: what the perceiver does not say."""

Floats = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int8]]


def readings(
    emotions: Floats, intensity: Floats | None = None, quality: Floats | None = None, faces: Ints | None = None
) -> pa.RecordBatch:
    """The columns of READING from probabilities (n, 7), columns as EMOTIONS, and what else is known, each (n,)."""
    n = len(emotions)
    named = np.array(EMOTIONS, dtype=object)[emotions.argmax(axis=1)] if n else []
    columns = [
        pa.array(named, pa.string()),
        *(pa.array(column, pa.float32()) for column in emotions.T),
        *(
            pa.nulls(n, pa.float32()) if known is None else pa.array(known, pa.float32())
            for known in (intensity, quality)
        ),
        pa.nulls(n, pa.int8()) if faces is None else pa.array(faces, pa.int8()),
    ]
    return pa.record_batch(columns, schema=READING)


def by_degree(
    probabilities: Floats, emotions: np.ndarray[Any, Any], degrees: np.ndarray[Any, Any]
) -> tuple[Floats, Floats]:
    """Emotions (n, 7) and intensity (n,) from probabilities (n, k) of pairs of emotion (k,), an index, and degree (k,).

    Intensity is the expected degree as a share of DEGREES; neutral has degree 0.
    """
    summed = probabilities @ np.eye(len(EMOTIONS), dtype=np.float32)[emotions]
    return summed, probabilities @ (degrees / DEGREES).astype(np.float32)
