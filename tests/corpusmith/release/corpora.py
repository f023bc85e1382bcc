"""A small, wholly made-up corpus in the shape of the Reddit one, that the release's tests write."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from corpusmith.assets.reddit.card import CARD
from corpusmith.emotions import EMOTIONS
from corpusmith.release.inputs import Release, Source
from corpusmith.score import scores
from corpusmith.validation.schema import REJECTED, RELEASE, schema
from corpusmith.work.plan import canonical, keys, seeds

OPENINGS = ("I saw", "My sister fixed", "Nobody told me about", "We finally sold", "They painted", "You should see")
THINGS = (
    "the old bridge",
    "our garden fence",
    "that noisy radiator",
    "the last train",
    "a broken lamp",
    "the new menu",
)
CLOSINGS = ("and it was fine", "before the rain came", "which took all week", "so we went home", "twice last year")
MOODS = {
    "joy": "What a wonderful day!",
    "sadness": "I miss how it used to be.",
    "anger": "This makes my blood boil.",
    "fear": "I can hardly sleep for worry.",
    "surprise": "I never saw that coming!",
    "disgust": "It turned my stomach.",
    "neutral": "That is all.",
}
MAKERS = {
    "natural": "comments:corpusmith/curate@1+00000000",
    "rewritten": "rewriter:house/frames@abc+11111111",
    "synthetic": "writer:house/language@def+22222222",
}
SHARES = {"joy": 0.9, "sadness": 0.6, "anger": 0.7, "fear": 0.2, "surprise": 0.3, "disgust": 0.25, "neutral": 1.0}


def reddit(per_emotion: int = 12, *, version: str = "1.0.0", seed: int = 0, **changes: Any) -> Release:
    """A release of 7 × ``per_emotion`` rows and half as many rejected ones; ``changes`` replace its fields."""
    rows = released(per_emotion, seed)
    refused = rejected(per_emotion * 7 // 2, seed)
    made = pl.concat([rows.select("origin"), refused.select("origin")])["origin"].value_counts(sort=True)
    release = Release(
        corpus="reddit",
        version=version,
        text=CARD,
        rows=rows.sample(fraction=1.0, shuffle=True, seed=1).lazy(),
        rejected=refused.lazy(),
        scores=measured(seed),
        made=dict(sorted(made.rows())),
        makers={
            fingerprint: {"model": fingerprint.split(":")[1].split("@")[0], "revision": fingerprint.split("@")[1]}
            for fingerprint in MAKERS.values()
        },
        params={"reddit": {"balanced": {"rows_per_emotion": per_emotion, "tolerance": 0.02}}},
        sources=[Source("RC_demo.zst", hashlib.sha256(b"demo").hexdigest(), 12_345)],
    )
    return replace(release, **changes)


def released(per_emotion: int, seed: int) -> pl.DataFrame:
    """Rows in the schema of a release, each key and seed as the engine would give it."""
    random = np.random.default_rng(seed)
    samples = []
    for emotion in EMOTIONS:
        for number in range(per_emotion):
            natural = number < SHARES[emotion] * per_emotion
            origin = "natural" if natural else "rewritten" if number % 2 else "synthetic"
            samples.append(_sample(emotion, origin, number, random))
    rows = _keyed(pl.DataFrame(samples, infer_schema_length=None))
    rows = rows.with_columns(group=pl.col("key"), split=_splits(rows.height))
    return rows.select(pl.col(name).cast(kind) for name, kind in schema(RELEASE).items())


def rejected(count: int, seed: int) -> pl.DataFrame:
    """Rejected rows for every reason, some for two; a broken line has no text."""
    random = np.random.default_rng(seed + 1)
    cases = [
        *(("natural", [code]) for code in ("deleted", "bot", "too_short", "near_duplicate", "surplus", "surplus")),
        ("natural", ["broken_line"]),
        ("natural", ["non_english", "too_short"]),
        ("rewritten", ["wrong_emotion"]),
        ("rewritten", ["content_lost"]),
        ("synthetic", ["wrong_emotion"]),
        ("synthetic", ["memorised", "low_confidence"]),
    ]
    samples = []
    for number in range(count):
        origin, reasons = cases[number % len(cases)]
        sample = _sample(EMOTIONS[number % 7], origin, 10_000 + number, random)
        if "wrong_emotion" in reasons:
            sample["target"] = EMOTIONS[(number + 1) % 7]
        if "broken_line" in reasons:
            sample["text"] = None
        samples.append(sample | {"reasons": reasons, "duplicate_of": "0" * 32 if "near_duplicate" in reasons else None})
    rows = _keyed(pl.DataFrame(samples, infer_schema_length=None))
    return rows.select(pl.col(name).cast(kind) for name, kind in schema(REJECTED).items())


def measured(seed: int, layers: int = 6, n: int = 210) -> pl.DataFrame:
    """Scores of baselines, a probe of each layer and a zero-shot model, in their own schema."""
    random = np.random.default_rng(seed + 2)
    rows = []
    for task, subject, form, layer, accuracy in [
        ("baseline", "majority", None, None, 1 / 7),
        ("baseline", "tf-idf + logistic regression", None, None, 0.61),
        *(
            ("probe", "house/language", "raw", i, 0.2 + 0.5 * i / layers - 0.03 * (i == layers))
            for i in range(layers + 1)
        ),
        ("zero-shot", "house/language", "template", None, 0.31),
    ]:
        this = scores.Measurement(
            task, subject, subject, "abc", {}, "corpus", form=form, seconds=1.5, rows_per_second=140.0
        )
        this = this if layer is None else this.at(layer, layers)
        matrix = np.stack([random.multinomial(n // 7, _row(i, accuracy)) for i in range(7)])
        rows += scores.overall(this, matrix, 50) + scores.by_class(this, np.pad(matrix, ((0, 0), (0, 1))), 50)
    return scores.table(rows)


def _row(actual: int, accuracy: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    chances = np.full(7, (1 - accuracy) / 6)
    chances[actual] = accuracy
    return chances


def _sample(emotion: str, origin: str, number: int, random: np.random.Generator) -> dict[str, Any]:
    said = " ".join(str(random.choice(part)) for part in (OPENINGS, THINGS, CLOSINGS))
    confidence = 0.5 + 0.5 * random.random()
    place = {"line": number, "source": "RC_demo.zst", "emotion": emotion}
    inputs = place if origin == "natural" else {"number": number, "target": emotion}
    return {
        "text": f"{said}, number {number}. {MOODS[emotion]}",
        "emotion": emotion,
        "confidence": confidence,
        **{f"p_{e}": confidence if e == emotion else (1 - confidence) / 6 for e in EMOTIONS},
        "origin": origin,
        "target": None if origin == "natural" else emotion,
        "source_key": f"{number:032x}" if origin == "rewritten" else None,
        "source_text": f"{said}, number {number}." if origin == "rewritten" else None,
        "thread": f"t{number}" if origin == "natural" else None,
        "subreddit": "garden" if origin == "natural" else None,
        "created_utc": 1_136_073_600 + number if origin == "natural" else None,
        "author": hashlib.sha256(str(number % 9).encode()).hexdigest()[:16] if origin == "natural" else None,
        "language": "en",
        "writer": None if origin == "natural" else MAKERS[origin].split(":")[1].split("+")[0],
        "judge": "house/emotion-judge@fed",
        "second_emotion": None,
        "second_confidence": None,
        "second_judge": None,
        "valence": 0.25,
        "arousal": None,
        "dominance": None,
        "plan": json.dumps(inputs, sort_keys=True, separators=(",", ":")),
        "fingerprint": MAKERS[origin],
    }


def _keyed(rows: pl.DataFrame) -> pl.DataFrame:
    parts = []
    for (fingerprint,), part in rows.group_by("fingerprint", maintain_order=True):
        inputs = pl.DataFrame(part["plan"].str.json_decode(_PLANS[_origin(str(fingerprint))])).unnest("plan")
        names = tuple(inputs.columns)
        assert inputs.select(canonical(names)).to_series().to_list() == part["plan"].to_list()
        parts.append(part.with_columns(key=keys(inputs, str(fingerprint), names)))
    keyed = pl.concat(parts)
    drawn = pl.Series(seeds(keyed["key"].to_list())).cast(pl.Int64)
    return keyed.with_columns(seed=pl.when(pl.col("origin") != "natural").then(drawn))


_PLANS = {
    "natural": pl.Struct({"emotion": pl.String, "line": pl.Int64, "source": pl.String}),
    "rewritten": pl.Struct({"number": pl.Int64, "target": pl.String}),
    "synthetic": pl.Struct({"number": pl.Int64, "target": pl.String}),
}


def _origin(fingerprint: str) -> str:
    return next(origin for origin, maker in MAKERS.items() if maker == fingerprint)


def _splits(count: int) -> pl.Series:
    return pl.Series((["train"] * 8 + ["validation", "test"]) * (count // 10 + 1))[:count]
