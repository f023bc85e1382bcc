"""How well generators show emotions, how well perceivers read them, and how far annotators agree."""

from __future__ import annotations

import hashlib
from typing import Any

import polars as pl

from corpusmith.assets.portraits import makers
from corpusmith.assets.portraits.annotations import consensus
from corpusmith.assets.portraits.images import Make, kept, seen
from corpusmith.assets.portraits.settings import Portraits
from corpusmith.score import generators, perceivers
from corpusmith.score.agreement import agreement
from corpusmith.score.measured import measured
from corpusmith.score.scores import ELSEWHERE, VERSION, Measurement, table


def of_generators(
    images: pl.LazyFrame, curated: pl.LazyFrame, annotations: pl.LazyFrame, make: Make, settings: Portraits
) -> pl.LazyFrame:
    """The leaderboard of the generators (corpusmith.score.generators) over all that they were asked for.

    A score names where its images were drawn (``made_on``), and where the first annotator judged them (``device``).
    """
    embedder = makers.embedder(settings.embedder)
    known = consensus(annotations).select("key", "emotion_seen", "intensity", "quality")
    portraits = (
        counted(curated)
        .join(known, on="key", how="left", maintain_order="left")
        .join(seen(kept(images, curated), embedder, make), on="key", how="left", maintain_order="left")
        .collect()
    )
    decides = {"annotators": settings.annotators, "embedder": embedder.fingerprint, **_decides(settings)}
    corpus = digest(portraits.drop("embedding"))
    here = {name: makers.generator(name) for name in settings.generators}
    judged = _hardware(makers.perceiver(settings.annotators[0], settings.servers).provenance)
    drawn = images.select("generator", "made_on").drop_nulls().unique().sort("generator", "made_on").collect()
    made_on = {name: "; ".join(part["made_on"]) for (name,), part in drawn.group_by("generator")}
    each = {
        name: Measurement(
            generators.TASK,
            name,
            maker.entry.repository,
            maker.revision,
            decides,
            corpus,
            made_on=made_on.get(name),
            **judged,
        )
        for name, maker in here.items()
    }
    every = Measurement(generators.TASK, generators.ALL, "corpusmith/score", str(VERSION), decides, corpus, **judged)
    rows = portraits.select(generators.PORTRAITS.names())
    draws = settings.scores.bootstrap
    return measured(make, every, lambda: generators.generator_scores(rows, each, settings.vocabulary, draws))


def counted(curated: pl.LazyFrame) -> pl.LazyFrame:
    """The requests that count for a generator; ``kept`` says whether its image was fit.

    A copy of another generator's image, or of a released one, is left out: it was no failure, only second in the order
    of the settings. A copy of its own counts against a generator: it was asked for two portraits and made one.
    """
    originals = curated.select(duplicate_of="key", copied="generator")
    of_another = (pl.col("copied") != pl.col("generator")).fill_null(False)
    released = pl.col("reasons").list.contains("released_before").fill_null(False)
    return (
        curated.join(originals, on="duplicate_of", how="left", maintain_order="left")
        .filter(~(of_another | released))
        .select("key", "generator", "prompt_id", "ekman", "degree", kept=pl.col("verdict") == "kept")
    )


def of_perceivers(
    images: pl.LazyFrame, curated: pl.LazyFrame, annotations: pl.LazyFrame, make: Make, settings: Portraits
) -> pl.LazyFrame:
    """The leaderboard of the perceivers (corpusmith.score.perceivers), and how far the annotators agree."""
    portraits = kept(images, curated)
    readers = {name: makers.perceiver(name, settings.servers) for name in settings.perceivers}
    people = consensus(annotations.filter("human")).select("key", "emotion_seen", "intensity")
    asked = curated.filter(pl.col("verdict") == "kept").select("key", "prompt_id", "ekman", "degree")
    truth = perceivers.truth(asked.join(people, on="key", how="left", maintain_order="left"))
    read = [
        truth.join(
            seen(portraits, reader, make).select("key", "emotion", "intensity"), on="key", how="left"
        ).with_columns(perceiver=pl.lit(name))
        for name, reader in readers.items()
    ]
    answers = pl.concat(read).select(perceivers.ANSWERS.names()).sort("perceiver", "key").collect()
    decides = {"perceivers": {name: reader.fingerprint for name, reader in readers.items()}, **_decides(settings)}
    corpus = digest(answers)
    each = {name: _measurement(name, reader.provenance, decides, corpus) for name, reader in readers.items()}
    every = Measurement(perceivers.TASK, "all perceivers", "corpusmith/score", str(VERSION), decides, corpus)
    draws = settings.scores.bootstrap
    scored = measured(make, every, lambda: perceivers.perceiver_scores(answers, each, settings.vocabulary, draws))
    return pl.concat([scored, of_annotators(annotations, settings)])


def of_annotators(annotations: pl.LazyFrame, settings: Portraits) -> pl.LazyFrame:
    """Krippendorff's alpha between the annotators for each thing that they say."""
    said = annotations.collect()
    decides = {"annotators": sorted(said["annotator"].unique()), "scores": VERSION}
    of = Measurement("agreement", "annotators", "corpusmith/score", str(VERSION), decides, digest(said))
    rows = [
        {**of.row, "metric": f"alpha_{row['measure']}", "value": row["alpha"], "n": row["samples"]}
        for row in agreement(said).to_dicts()
    ]
    return table(rows).lazy()


def digest(rows: pl.DataFrame) -> str:
    """What stands for the rows that were scored: 32 hexadecimal digits of a hash over their content."""
    return hashlib.blake2b(rows.write_ndjson().encode(), digest_size=16).hexdigest()


def _decides(settings: Portraits) -> dict[str, Any]:
    return {"vocabulary": settings.vocabulary, "draws": settings.scores.bootstrap, "scores": VERSION}


def _measurement(name: str, provenance: dict[str, Any], decides: dict[str, Any], corpus: str) -> Measurement:
    model, revision = provenance["model"], str(provenance["revision"])
    return Measurement(perceivers.TASK, name, model, revision, decides, corpus, **_hardware(provenance))


def _hardware(provenance: dict[str, Any]) -> dict[str, str]:
    """Where a model reads; a server keeps to itself what its models run on."""
    return {"device": provenance.get("device", ELSEWHERE), "dtype": provenance.get("dtype", "unknown")}
