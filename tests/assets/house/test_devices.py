"""No recipe mixes devices: what a GPU would learn from is tried on torch's ``meta`` device, which computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from corpusmith.assets.house import (
    autoencoder,
    clip,
    diffusion,
    expression,
    generator_card,
    language_training,
    object_judge,
)
from corpusmith.assets.house.generators import GENERATORS, LONGEST, tokenizer
from corpusmith.assets.house.language_examples import CONTEXT, tokenizer_of
from corpusmith.assets.house.training import moved
from corpusmith.models.house import HOUSE


class OneDevice(TorchDispatchMode):
    """Refuses an operation on tensors of two devices, as CUDA does; scalars may come from anywhere."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.ndim]
        if len({tensor.device.type for tensor in tensors}) > 1:
            raise RuntimeError(f"{func} of tensors on two devices")
        return func(*args, **kwargs or {})


def of_expressions(name: str) -> tuple[Any, Any, Callable[..., Any]]:
    network = expression.untrained(name)
    network.aside = expression.learner_of_traits(network)
    return network, expression.batch_of(name, 10, 0), expression.loss


def of_objects() -> tuple[Any, Any, Callable[..., Any]]:
    return object_judge.untrained(), object_judge.batch(0, 10), object_judge.loss


def of_clip() -> tuple[Any, Any, Callable[..., Any]]:
    words = clip.tokenizer_of(clip.vocabulary())
    network = clip.untrained(len(words))
    network.aside = clip.learner_of_faces(network.config.vision_config.hidden_size)
    return network, clip.batch(words, 10, 0), clip.loss


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for recipe, few in ((expression, 64), (object_judge, 32), (clip, 1)):
        monkeypatch.setattr(recipe, "CHUNK", few)
    monkeypatch.setattr(expression, "OTHERS", 8)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "recipe",
    [lambda: of_expressions("expression-cnn"), lambda: of_expressions("expression-vit"), of_objects, of_clip],
    ids=["expression-cnn", "expression-vit", "object", "clip"],
)
def test_a_reader_learns_where_its_batch_was_moved(recipe: Callable[[], tuple[Any, Any, Callable[..., Any]]]) -> None:
    network, batch, loss = recipe()
    with OneDevice():
        assert loss(network.to("meta"), moved(batch, "meta")).device.type == "meta"
        with pytest.raises(RuntimeError, match="two devices"):
            loss(network, batch)


def test_the_language_model_learns_where_its_rows_were_moved() -> None:
    model = language_training.untrained(tokenizer_of(["a word of it"])).to("meta")
    whole = np.ones((language_training.ROWS_PER_STEP, CONTEXT), np.uint16)
    rows = {"ids": whole, "place": whole, "example": whole, "weight": whole}
    inputs = [part.to("meta") for part in language_training.step_inputs(rows, 0)]
    with OneDevice():
        assert language_training.loss_of(model, *inputs).device.type == "meta"


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_answers_where_its_latents_lie(name: str) -> None:
    generator = GENERATORS[name]
    network = diffusion.untrained(generator, tokenizer(["a word of it"]), 4).to("meta")
    clean, noise = torch.zeros(2, 2, 4, 16, 16, device="meta")
    ids = torch.zeros(2, LONGEST, dtype=torch.long, device="meta")
    with OneDevice():
        mixed, times, wanted, _ = diffusion.noised(
            generator, generator.scheduler(), clean, noise, np.random.default_rng(0)
        )
        said = diffusion.answer(network, generator, mixed, times, ids)
    assert said.device.type == "meta"
    assert said.shape == wanted.shape


def test_drawings_are_read_through_an_autoencoder_on_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (autoencoder, generator_card):
        monkeypatch.setattr(module, "device", lambda: "meta")
    with OneDevice(), pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        generator_card.read_through(HOUSE / "epsilon" / "vae", 2)
