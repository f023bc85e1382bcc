"""Every request to a generator is accounted for, also the ones that it failed at."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from corpusmith.assets.portraits import images
from corpusmith.assets.portraits.curated import curate
from corpusmith.assets.portraits.prompts import prompts
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.models.images import IMAGES


class RefusesSadness:
    """A generator that cannot draw what is sad."""

    name, fingerprint, inputs, schema, batch_rows = "refuses", "images:refuses@1+0", ("prompt",), IMAGES, 8
    provenance = {"model": "refuses", "revision": "1", "steps": 2, "guidance": 1.0, "scheduler": None}  # noqa: RUF012

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        if any("sad" in prompt for prompt in rows["prompt"].to_pylist()):
            raise ValueError("not that")
        made = {
            "image": {"bytes": b"", "path": None},
            "width": 1,
            "height": 1,
            "mode": "RGB",
            "seed": 1,
            "batch": 8,
            "made_on": "cpu",
        }
        return pa.RecordBatch.from_pylist(
            [made | {"image_sha256": key} for key in rows["key"].to_pylist()], schema=IMAGES
        )


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    monkeypatch.setattr("corpusmith.assets.portraits.makers.generator", lambda _: RefusesSadness())
    workshop = Workshop(tmp_path, load(profile="smoke", overrides=["work.max_failure_rate=1.0"]))
    asked = prompts("memo", 3, seed=0).lazy()
    images.generate(asked, "refuses", workshop.make).sink_parquet(tmp_path / "images.parquet")
    return pl.read_parquet(tmp_path / "images.parquet")


def test_a_prompt_that_a_generator_failed_at_has_a_row_and_no_image(drawn):
    failed = drawn.filter(pl.col("image").is_null())
    assert drawn.height == 18
    assert failed["emotion"].to_list() == ["sad"] * 3
    assert failed.select("key", "plan", "fingerprint", "generator", "steps").null_count().sum_horizontal().item() == 0


def test_keys_are_those_of_the_engine_whether_or_not_the_image_was_made(drawn):
    from corpusmith.work.plan import keys

    assert drawn["key"].to_list() == keys(drawn, RefusesSadness.fingerprint, ("prompt",)).to_list()


def test_what_was_not_made_is_rejected_for_that_alone(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "corpusmith.assets.portraits.curated.faces", lambda images, *_: images.select("key", faces=pl.lit(1))
    )
    settings = load(profile="smoke").portraits
    workshop = Workshop(tmp_path, load(profile="smoke"))
    asked = prompts("memo", 3, seed=0).lazy()
    judged = curate(asked, drawn.lazy(), {}, workshop.make, settings).collect()
    assert judged.filter(emotion="sad")["reasons"].to_list() == [["not_made"]] * 3
    assert set(judged.filter(pl.col("emotion") != "sad")["reasons"].explode()) == {"undecodable"}
