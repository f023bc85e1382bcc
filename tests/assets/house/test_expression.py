"""The recipes of the readers of drawings: what they learn from, that they learn, and that their cards say the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from corpusmith.assets.house import (
    clip,
    clip_card,
    expression,
    expression_card,
    object_card,
    object_judge,
    readers,
    regions,
    regions_card,
)
from corpusmith.assets.house import expression_drawings as drawings
from corpusmith.assets.house.degrade import FAULTS, degraded
from corpusmith.models import house
from corpusmith.models.perceivers import Classifier, Tagger, ZeroShot
from corpusmith.models.regions import RegionFinder

FRESH = readers.SEEDS["held-out"] + 500_000


def measured(name: str) -> dict[str, Any]:
    return dict(json.loads((house.HOUSE / name / "metrics.json").read_text()))


def agrees(right: np.ndarray, figure: dict[str, Any]) -> bool:
    """Whether a small fresh sample could come from what the card states: three standard errors of both."""
    low, high = figure["interval"]
    spread = np.sqrt(max(high * (1 - low), 0.005) / len(right))
    return bool(low - 3 * spread <= np.mean(right) <= high + 3 * spread)


def test_no_two_readers_share_a_drawing_nor_has_a_generator_seen_one() -> None:
    first = sorted(readers.SEEDS.values())
    assert first[0] >= 1_000_000
    assert min(np.diff(first)) >= 1_000_000
    longest = max([recipe.steps for recipe in expression.RECIPES.values()] + [object_judge.STEPS, clip.STEPS])
    assert 2 * longest < 1_000_000  # a batch's number is what a seed is raised by


def test_the_two_readers_of_expressions_differ_in_more_than_their_seeds() -> None:
    one, other = expression.RECIPES.values()
    assert set(one.faults) != set(other.faults)
    assert type(expression.untrained("expression-cnn")) is not type(expression.untrained("expression-vit"))


@given(strength=st.floats(0.05, 1), seed=st.integers(0, 1000))
@settings(max_examples=12)
def test_every_fault_changes_a_picture_the_more_the_stronger_and_leaves_it_a_picture(
    strength: float, seed: int
) -> None:
    import torch

    pictures = readers.tensor(drawings.drawn(4, FRESH).pixels)
    for fault in FAULTS:
        draw = np.random.default_rng(seed)
        worse = degraded(pictures, np.full(4, strength, np.float32), draw, (fault,))
        assert worse.shape == pictures.shape
        assert 0 <= worse.min() <= worse.max() <= 1
        untouched = degraded(pictures, np.zeros(4, np.float32), draw, (fault,))
        assert torch.equal(untouched, pictures)


def test_faces_are_counted_and_only_a_single_one_has_an_expression() -> None:
    seen = drawings.drawn(256, FRESH)
    others = drawings.empty(32, FRESH)
    shown = drawings.batch(seen, others, np.random.default_rng(0), ("noise",))
    assert set(shown.faces.tolist()) == {0, 1, 2}
    assert ((shown.expression == drawings.UNKNOWN) == (shown.faces != 1)).all()
    assert 0.2 < (shown.quality == 1).float().mean() < 0.4
    assert shown.traits.shape == seen.traits.shape


def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expression, "CHUNK", 64)
    monkeypatch.setattr(expression, "OTHERS", 8)
    monkeypatch.setattr(object_judge, "CHUNK", 32)
    monkeypatch.setattr(clip, "CHUNK", 1)


@pytest.mark.parametrize("name", list(expression.RECIPES))
def test_the_same_seed_trains_the_same_reader(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(monkeypatch)
    for folder in ("a", "b"):
        expression.train(name, tmp_path / folder, tmp_path / folder, steps=2)
    revisions = {house.revision(tmp_path / folder / name) for folder in ("a", "b")}
    assert len(revisions) == 1
    reader = Classifier(str(tmp_path / "a" / name))
    made = pl.DataFrame(pl.from_arrow(reader.read([Image.new("RGB", (100, 80), "white")])))
    assert made["quality"].is_between(0, 1).all()
    assert made["faces"][0] in (0, 1, 2)
    assert Path(tmp_path / "a" / name / "model.safetensors").stat().st_size < 1_200_000


def test_a_judge_and_a_clip_learn_from_the_first_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(monkeypatch)
    object_judge.train(tmp_path, tmp_path, steps=2)
    clip.train(tmp_path, tmp_path, steps=2)
    white = [Image.new("RGB", (64, 64), "white")]
    assert Tagger(str(tmp_path / "object")).probabilities(white).shape == (1, len(object_judge.objects.kinds()))
    model = ZeroShot(str(tmp_path / "clip"))
    assert model.images(white).shape == model.texts(["a happy person"]).shape == (1, 64)


def test_a_caption_equal_to_another_is_no_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    tiny(monkeypatch)
    tokenizer = clip.tokenizer_of(clip.vocabulary())
    shown = clip.batch(tokenizer, 1, 0)
    texts = tokenizer.batch_decode(shown.tokens["input_ids"])
    assert shown.same.tolist() == [[float(one == other) for other in texts] for one in texts]
    assert tokenizer.unk_token_id not in shown.tokens["input_ids"]
    network = clip.untrained(len(tokenizer))
    network.aside = clip.learner_of_faces(network.config.vision_config.hidden_size)
    assert torch.isfinite(clip.loss(network, shown))


@pytest.mark.parametrize("name", list(expression.RECIPES))
def test_a_shipped_reader_reads_fresh_drawings_as_its_card_says(name: str) -> None:
    figures = measured(name)
    assert (house.HOUSE / name / "README.md").read_text() == expression_card.card(name, figures)
    seen = drawings.drawn(200, FRESH)
    said = expression_card.read(Classifier(f"house/{name}"), seen.pixels)
    right = said["emotion"] == expression_card.OF_CLASS[seen.expression]
    assert agrees(right, figures["clean"]["emotion_accuracy"])
    assert figures["clean"]["emotion_accuracy"]["interval"][0] > 0.95
    assert (said["faces"] == 1).mean() > 0.95


def test_the_shipped_judge_names_fresh_objects_as_its_card_says() -> None:
    figures = measured("object")
    assert (house.HOUSE / "object" / "README.md").read_text() == object_card.card(figures)
    images, marks = object_judge.drawn(150, FRESH)
    chances = object_card.believed(Tagger(), images[0::2])
    right = chances[:, : len(object_judge.objects.classes())].argmax(axis=1) == marks[0::2].argmax(axis=1)
    assert agrees(right, figures["objects"]["accuracy"])


def test_the_shipped_clip_reads_fresh_drawings_as_its_card_says() -> None:
    figures = measured("clip")
    assert (house.HOUSE / "clip" / "README.md").read_text() == clip_card.card(figures)
    seen = drawings.drawn(200, FRESH)
    made = ZeroShot().read([Image.fromarray(image) for image in seen.pixels])
    truth = np.array(expression_card.EMOTIONS)[expression_card.OF_CLASS[seen.expression]]
    right = np.array(made["emotion"].to_pylist()) == truth
    assert agrees(right, figures["zero_shot"]["emotion_accuracy"])


def test_the_shipped_finder_finds_fresh_things_as_its_card_says() -> None:
    figures = measured("regions")
    assert (house.HOUSE / "regions" / "README.md").read_text() == regions_card.card(figures)
    images, truth = regions.drawn(100, FRESH)
    seen = regions_card.labels(RegionFinder(), images)
    agree = regions_card.of(np.minimum(truth, 1), np.minimum(seen, 1), 2)["miou"]["value"]
    assert abs(agree - figures["apart_from_nothing"]["miou"]["value"]) < 0.03


def test_the_readers_together_are_small() -> None:
    names = (*expression.RECIPES, object_judge.NAME, clip.NAME, regions.NAME)
    sizes = [file.stat().st_size for name in names for file in (house.HOUSE / name).iterdir()]
    assert sum(sizes) <= 4_500_000
