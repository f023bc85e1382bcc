"""How much a model is given at once: a short search that ends, and is not done twice; the rows do not depend on it."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from corpusmith.hardware import machine
from corpusmith.models import images
from corpusmith.models.arriving import Arriving, arriving
from corpusmith.models.filling import filling, found_once, known, timed
from corpusmith.models.generator import Generator
from corpusmith.models.images import AHEAD

PROMPTS = [f"a {mood} man, portrait" for mood in ("happy", "sad", "angry")] * 8


class Card:
    """An accelerator of ``lanes`` that takes a second for each time they are filled, and holds ``memory`` items."""

    def __init__(self, lanes: int, memory: int) -> None:
        self.lanes, self.memory, self.now, self.tried = lanes, memory, 0.0, []

    def passes(self, size: int) -> None:
        import torch

        self.tried.append(size)
        if size > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.now += -(-size // self.lanes)

    def filled(self, start: int = 16, most: int = 1024) -> int:
        return filling(timed(self.passes, lambda: self.now), start, most)


@pytest.fixture
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("lanes", "found"), [(16, 16), (100, 64), (128, 128), (5000, 1024)])
def test_it_doubles_until_more_at_once_is_no_faster(lanes, found):
    assert Card(lanes, memory=10**6).filled() == found


def test_what_does_not_fit_is_not_taken_and_nothing_larger_is_tried():
    card = Card(lanes=10**6, memory=200)
    assert card.filled() == 128
    assert max(card.tried) == 256


def test_where_even_the_start_does_not_fit_half_of_it_is_tried():
    card = Card(lanes=10**6, memory=5)
    assert card.filled(start=16) == 4
    assert card.tried[:2] == [16, 8]


def test_a_model_that_fits_at_no_size_is_an_error():
    with pytest.raises(RuntimeError, match="out of memory"):
        Card(lanes=1, memory=0).filled()


def test_a_size_is_searched_once_for_each_model_and_card(caches):
    searched = []

    def search():
        searched.append(1)
        return 64

    assert [found_once("a model", card, search) for card in ("H100", "H100", "L4")] == [64, 64, 64]
    assert len(searched) == 2
    assert (known("a model", "H100"), known("another", "H100")) == (64, None)


def test_where_nothing_can_be_kept_it_is_found_all_the_same(caches, monkeypatch):
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert found_once("a model", "H100", lambda: 64) == 64
    assert known("a model", "H100") is None


@pytest.mark.parametrize("text", ["", "{}", '{"size": 0}', '{"size": "many"}', "[]"])
def test_what_was_kept_and_cannot_be_read_is_searched_anew(caches, text):
    found_once("a model", "H100", lambda: 64)
    (file,) = caches.rglob("*.json")
    file.write_text(text)
    assert found_once("a model", "H100", lambda: 32) == 32
    assert known("a model", "H100") == 32


@pytest.fixture
def accelerated(unet_folder, entry_of, caches, monkeypatch):
    """Makers that take this CPU for an accelerator on which 8 rows are as fast as can be."""
    monkeypatch.setattr(images, "runs_on", lambda entry: ("accelerator", "float32"))
    monkeypatch.setattr(images, "machine", lambda device: machine("cpu"))

    def maker(lanes: int = 8) -> Generator:
        found = Generator(entry_of(unet_folder))
        card = Card(lanes, memory=10**6)
        drawn = found._passed

        def passed(keys, **given):
            card.passes(len(keys))
            return drawn(keys, **given)

        monkeypatch.setattr(found, "_passed", passed)
        monkeypatch.setattr(images.filling, "timed", lambda passes: timed(passes, lambda: card.now))
        found.tried = card.tried
        return found

    return maker


def rows_of(prompts: list[str]) -> pa.RecordBatch:
    return pa.record_batch({"key": [f"{row:032x}" for row in range(len(prompts))], "prompt": prompts})


def test_a_maker_draws_as_many_rows_at_once_as_fill_the_card_and_says_so(accelerated):
    maker = accelerated(lanes=8)
    assert (maker.batch, maker.batch_rows) == (4, 4 * AHEAD)
    made = maker.make(rows_of(PROMPTS[:20])).to_pylist()
    assert [row["batch"] for row in made] == [8] * 16 + [4] * 4
    assert maker.batch_rows == 8 * AHEAD
    assert max(maker.tried) == 16


def test_what_was_found_is_used_by_the_next_process_without_a_search(accelerated):
    accelerated().make(rows_of(PROMPTS[:5]))
    again = accelerated()
    assert again.batch_rows == 8 * AHEAD
    again.make(rows_of(PROMPTS[:20]))
    assert again.tried == [8, 8, 4]


def test_how_many_rows_fill_the_card_decides_no_key_and_a_row_is_remade_alike(accelerated, unet_folder, entry_of):
    maker = accelerated(lanes=8)
    before = maker.fingerprint
    rows = rows_of(PROMPTS[:20])
    made = maker.make(rows)
    assert Generator(entry_of(unet_folder)).fingerprint == before == maker.fingerprint
    again = maker.remake(pa.record_batch([*rows.columns, made["batch"]], names=["key", "prompt", "batch"]))
    assert again["image_sha256"].equals(made["image_sha256"])


def test_a_card_that_fits_less_than_the_entry_says_still_takes_as_many_rows(accelerated, monkeypatch):
    maker = accelerated(lanes=1)
    monkeypatch.setattr(maker, "_filling", 2)
    assert (maker.batch, maker.batch_rows) == (2, 4 * AHEAD)
    assert [row["batch"] for row in maker.make(rows_of(PROMPTS[:3])).to_pylist()] == [2, 2, 1]


def test_for_fewer_rows_than_the_entry_says_nothing_is_searched(accelerated, caches):
    maker = accelerated()
    assert [row["batch"] for row in maker.make(rows_of(PROMPTS[:4])).to_pylist()] == [4] * 4
    assert maker.tried == [4]


def test_on_a_cpu_nothing_is_searched(unet_folder, entry_of, caches):
    maker = Generator(entry_of(unet_folder))
    assert [row["batch"] for row in maker.make(rows_of(PROMPTS[:5])).to_pylist()] == [4] * 4 + [1]
    assert not list(caches.rglob("*.json"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_images_on_their_way_are_those_that_diffusers_returns(dtype):
    import numpy as np
    import torch
    from diffusers.image_processor import VaeImageProcessor

    drawn = torch.rand(3, 3, 16, 24, generator=torch.manual_seed(0)).to(getattr(torch, dtype))
    arrived = arriving(drawn)
    assert isinstance(arrived[0], Arriving)
    assert np.array_equal(np.stack([np.asarray(image) for image in arrived]), VaeImageProcessor.pt_to_numpy(drawn))
