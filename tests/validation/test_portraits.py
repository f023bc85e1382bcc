import io
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from portraits_corpus import PARAMS, portraits

from corpusmith.curate import hamming
from corpusmith.curate.images import opened
from corpusmith.release.inputs import Release
from corpusmith.release.write import write_release
from corpusmith.validation import image_facts as looked
from corpusmith.validation import validate_release
from corpusmith.validation.image_facts import copies_across_splits, image_facts
from corpusmith.validation.portraits import SENTENCES, SUITE, Limits
from corpusmith.validation.report import Report
from corpusmith.validation.schema import IMAGE


def failed(report: Report) -> dict[str, set[str]]:
    return {result.name: set(result.keys) for result in report.results if not result.success}


@pytest.fixture(scope="module")
def good() -> Release:
    return portraits(5)


@dataclass
class Planted:
    """A table with faults, each in a row of its own, and which rows break which expectation."""

    rows: pl.DataFrame
    breaks: dict[str, set[str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def row(self, condition: pl.Expr | None = None) -> dict[str, object]:
        """A row that has no fault yet, and whose prompt has none."""
        fresh = self.rows.filter(~pl.col("prompt_id").is_in(sorted(self.used)))
        found = fresh.filter(pl.lit(True) if condition is None else condition).row(0, named=True)
        self.used.add(found["prompt_id"])
        return found

    def put(self, slugs: str, row: dict[str, object] | None = None, **values: object) -> str:
        """Change a row, which then breaks the named expectations."""
        key = str((row or self.row())["key"])
        chosen = pl.col("key") == key
        self.rows = self.rows.with_columns(
            pl.when(chosen).then(pl.lit(value, self.rows.schema[name])).otherwise(name).alias(name)
            for name, value in values.items()
        )
        for slug in slugs.split():
            self.breaks.setdefault(slug, set()).add(str(values.get("key", key)))
        return key


def png(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def image(data: bytes | None) -> dict[str, object]:
    return {
        "image": {"bytes": data, "path": "x.png"},
        "image_sha256": sha256(data).hexdigest() if data is not None else None,
    }


def jpeg_of(row: dict[str, object]) -> bytes:
    sink = io.BytesIO()
    Image.open(io.BytesIO(row["image"]["bytes"])).save(sink, "JPEG", quality=90)  # type: ignore[index]
    return sink.getvalue()


@pytest.fixture(scope="module")
def planted(good: Release) -> Planted:
    """One fault for every expectation of single rows."""
    table = Planted(good.rows.collect())
    put = table.put
    truncated = table.row()
    put("decodes", truncated, **image(truncated["image"]["bytes"][:200]))  # type: ignore[index]
    put("decodes", **image(b""))
    put("decodes", **image(b"no image at all"))
    put("values_present decodes", **image(None) | {"image_sha256": ""})
    put("size_as_stated", width=65)
    grey = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    put("mode_as_stated", **image(png(grey)))
    put("not_blank", **image(png(np.full((64, 64, 3), 128, np.uint8))))
    put("hash_matches", image_sha256="0" * 64)
    first = table.row(pl.col("split") == "train")
    second = table.row(pl.col("split") == "test")
    put("no_copies_across_splits", first)
    put("no_copies_across_splits", second, **image(jpeg_of(first)))
    put("sharp", sharpness=1.0)
    put("contrasted", contrast=0.01)
    put("one_face", faces=2)
    put("emotion_known emotion_mapped", emotion="envy")
    put("emotion_mapped", polarity="sideways")
    put("degree_as_asked", table.row(pl.col("emotion") == "neutral"), degree=1)
    put("emotion_seen_known", emotion_seen="envy")
    put("probabilities_sum", p_disgust=0.3)
    seen = table.row(pl.col("emotion_seen") != "disgust")
    put("emotion_most_probable", seen, emotion_seen="disgust")
    put("intensity_in_range", intensity=1.5)
    put("quality_in_range", quality=-0.1)
    put("annotated", annotators=0)
    put("split_known", split="dev")
    put("provenance_complete", seed=None)
    put("seed_from_key", seed=1)
    return table


@pytest.fixture(scope="module")
def found(planted: Planted) -> dict[str, set[str]]:
    return failed(SUITE.validate(planted.rows.lazy()))


ROW_FAULTS = """values_present decodes size_as_stated mode_as_stated not_blank hash_matches no_copies_across_splits
sharp contrasted one_face emotion_known emotion_mapped degree_as_asked emotion_seen_known probabilities_sum
emotion_most_probable intensity_in_range quality_in_range annotated split_known provenance_complete seed_from_key"""


@pytest.mark.parametrize("slug", ROW_FAULTS.split())
def test_each_faulty_row_is_named_and_no_other(slug: str, planted: Planted, found: dict[str, set[str]]) -> None:
    assert found[slug] == planted.breaks[slug]


@pytest.fixture(scope="module")
def entangled(good: Release) -> Planted:
    """Faults of rows among others: a fault in one breaks an expectation for all that belong with it."""
    table = Planted(good.rows.collect())
    keys = table.rows.group_by("prompt_id").agg("key")
    of = {prompt: set(together) for prompt, together in keys.rows()}
    other = table.row()
    table.put("key_unique", table.row(), key=other["key"])
    table.put("key_recomputes", plan="{}")
    degree = table.row(pl.col("emotion") == "happy")
    other_degree = degree["degree"] % 3 + 1  # type: ignore[operator]
    table.put("", degree, degree=other_degree, asked_intensity=other_degree / 3)
    table.breaks["prompt_the_same"] = of[degree["prompt_id"]]
    moved = table.row((pl.col("split") == "train") & (pl.len().over("prompt_id") == 3))
    table.put("", moved, split="test")
    table.breaks["prompt_in_one_split"] = of[moved["prompt_id"]]
    twice = table.row((pl.col("generator") == "house/epsilon") & (pl.len().over("prompt_id") == 3))
    table.put("one_image_each", twice, generator="house/flow")
    same = table.rows.filter(prompt_id=twice["prompt_id"], generator="house/flow")["key"]
    table.breaks["one_image_each"] |= set(same)
    one, two = table.row(), table.row()
    said = pl.when(pl.col("prompt_id") == one["prompt_id"]).then(pl.lit(two["prompt"])).otherwise("prompt")
    table.rows = table.rows.with_columns(said.alias("prompt"))
    table.breaks["prompts_distinct"] = of[one["prompt_id"]] | of[two["prompt_id"]]
    return table


def test_what_belongs_together_and_differs_is_named(entangled: Planted) -> None:
    found = failed(SUITE.validate(entangled.rows.lazy()))
    assert found.pop("seed_from_key")  # of the row that took another's key
    assert found == entangled.breaks | {"key_recomputes": entangled.breaks["key_recomputes"] | found["key_unique"]}


def test_a_good_release_holds_and_its_limits_come_from_its_manifest(good: Release, tmp_path: Path) -> None:
    write_release(good, tmp_path / "portraits")
    report = validate_release(SUITE, tmp_path / "portraits")
    assert failed(report) == {}
    assert [result.name for result in report.results] == list(SENTENCES)
    assert "at least as sharp as 50" in next(r.sentence for r in report.results if r.name == "sharp")


def test_faults_of_whole_tables_are_found(good: Release) -> None:
    rows, rejected = good.rows.collect(), good.rejected.drop("image").collect()
    shy = rows.filter((pl.col("emotion") != "worry") & (pl.col("split") != "test")).with_columns(raw=pl.lit("x"))
    found = failed(SUITE.validate(shy.drop("faces").lazy(), rejected.lazy(), Limits(made=good.made)))
    assert found["schema"] == {"raw", "faces"}
    assert found["kept_in_balance"] == {"worry"}
    assert "splits_filled" in found
    assert "house/flow: worry" in found["asked_in_balance"]
    assert found["all_accounted"] == set(good.made)


def test_faults_of_rejected_rows_are_found(good: Release) -> None:
    rows, rejected = good.rows.collect(), good.rejected.drop("image").collect()
    keys = rejected["key"]
    kept = rows["key"][0]
    at = pl.int_range(pl.len())
    faulty = rejected.with_columns(
        reasons=pl.when(at == 0)
        .then(pl.lit(["because"]))
        .when(at == 1)
        .then(pl.lit([], pl.List(pl.String)))
        .otherwise("reasons"),
        key=pl.when(at == 2).then(pl.lit(kept)).otherwise("key"),
        plan=pl.when(at == 3).then(None).otherwise("plan"),
        prompt_id=pl.when(at == 4).then(pl.lit("happy-999")).otherwise("prompt_id"),
        raw=pl.lit("x"),
    )
    found = failed(SUITE.validate(rows.lazy(), faulty.lazy()))
    assert found["rejected_schema"] == {"raw"}
    assert found["rejected_reasons_known"] == set(keys[:2])
    assert found["kept_or_rejected"] == {kept}
    assert found["rejected_values_present"] == {keys[3]}
    assert keys[4] in found["same_prompts"]


def test_released_images_of_rejected_rows_are_no_fault(good: Release) -> None:
    assert failed(SUITE.validate(good.rows, good.rejected)) == {}


def test_faces_that_only_hash_alike_are_no_copies(good: Release) -> None:
    rows = good.rows.select("key", "image", "split").collect()
    facts = image_facts(rows.lazy()).with_columns(real_phash=pl.lit(0, pl.UInt64))
    assert copies_across_splits(rows.lazy(), facts, 2).is_empty()


def test_copies_are_found_in_one_pass_over_the_images(good: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = good.rows.select("key", "image", "split").collect()
    first, second = (rows.filter(pl.col("split") == split).row(0, named=True) for split in ("train", "test"))
    copied = pl.when(pl.col("key") == second["key"]).then(pl.lit(first["image"], IMAGE)).otherwise("image")
    rows = rows.with_columns(image=copied)
    facts = image_facts(rows.lazy()).with_columns(real_phash=pl.lit(0, pl.UInt64))
    read: list[bytes | None] = []
    monkeypatch.setattr(hamming, "AT_ONCE", 1)  # a part for each image
    monkeypatch.setattr(looked, "BATCH", 2)
    monkeypatch.setattr(looked, "opened", lambda data, side: read.append(data) or opened(data, side))
    found = copies_across_splits(rows.lazy(), facts, 0)
    assert set(found.rows()) == {(first["key"], second["key"]), (second["key"], first["key"])}
    assert len(read) == rows.height


def test_facts_are_those_of_the_bytes() -> None:
    data = [png(np.full((20, 30), 7, np.uint8)), b"", None]
    rows = pl.DataFrame(
        {"key": ["a", "b", "c"], "image": pl.Series([{"bytes": d, "path": "x"} for d in data], dtype=IMAGE)}
    )
    facts = image_facts(rows.lazy()).to_dicts()
    assert facts[0] == {
        "key": "a",
        "problem": None,
        "real_width": 30,
        "real_height": 20,
        "real_mode": "L",
        "blank": True,
        "real_sha256": sha256(data[0]).hexdigest(),
        "real_phash": None,
    }
    assert [row["problem"] for row in facts[1:]] == ["empty", "empty"]
    assert image_facts(rows.head(0).lazy()).is_empty()


def test_limits_are_those_of_the_settings() -> None:
    limits = Limits.of(PARAMS | {"vocabulary": "ekman"}, {"house/flow": 3})
    assert (limits.vocabulary, limits.max_hash_distance, limits.made) == ("ekman", 2, {"house/flow": 3})
