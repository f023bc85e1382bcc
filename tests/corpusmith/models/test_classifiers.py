"""Classifiers from scratch: of any of the names, and as many steps as were asked for, whatever there is to learn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from corpusmith.errors import ModelError
from corpusmith.models import classifiers
from corpusmith.models.segmenters import training


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def balls(rows: int, seed: int):
    """A bright ball on noise, red, green or blue: (rows, 32, 32, 3) and its colour."""
    random = np.random.default_rng(seed)
    images, labels = random.integers(0, 90, (rows, 32, 32, 3)), np.arange(rows) % 3
    across, down = np.meshgrid(np.arange(32), np.arange(32))
    for image, label in zip(images, labels, strict=True):
        x, y = random.integers(8, 24, 2)
        image[(across - x) ** 2 + (down - y) ** 2 < 49, label] += 150
    return images.astype(np.uint8), labels.astype(np.int64)


@pytest.mark.parametrize("name", classifiers.OWN)
def test_a_classifier_learns_colours_and_the_seed_decides_it(name):
    import torch

    def taught(seed: int):
        network = classifiers.untrained(name, 3, seed, size=32, width=8)
        images, labels = balls(60, 0)
        training.fit_steps(network, images, labels, steps=40, batch_rows=16, rate=classifiers.rate(name, 8), seed=seed)
        return network

    network, (images, labels) = taught(0), balls(48, 1)
    found = training.predict(network, images)
    assert found.shape == (48, 3)
    assert (found.argmax(axis=1) == labels).mean() > 0.8
    weights = [torch.nn.utils.parameters_to_vector(one.parameters()) for one in (network, taught(0), taught(1))]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("size", [32, 64, 224])
@pytest.mark.parametrize("name", classifiers.OWN)
def test_a_classifier_of_any_size_says_something_of_each_class(name, size):
    import torch

    network = classifiers.untrained(name, 7, 0, size=size, width=4).eval()
    assert network(torch.rand(2, 3, size, size)).shape == (2, 7)


def test_the_networks_are_as_large_as_published_at_their_width():
    millions = {
        name: sum(p.numel() for p in classifiers.untrained(name, 1000, 0, size=224, width=64).parameters()) / 1e6
        for name in ("resnet-18", "vit")
    }
    assert millions == pytest.approx({"resnet-18": 11.7, "vit": 22.0}, abs=0.2)


def test_any_configuration_that_transformers_knows_is_a_classifier_with_fresh_weights(tmp_path: Path):
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        image_size=96, patch_size=16, hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
    )
    saved = ViTForImageClassification(config)
    saved.save_pretrained(tmp_path / "vit")
    name = str(tmp_path / "vit")
    network = classifiers.untrained(name, 5, 0, size=64, width=8)
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 5)
    layer = "vit.layers.0.mlp.fc1.weight"
    fresh, theirs = dict(network.model.named_parameters()), dict(saved.named_parameters())
    shared = [one for one in fresh if one in theirs and fresh[one].shape == theirs[one].shape and fresh[one].ndim > 1]
    assert shared, layer
    assert not any(torch.equal(fresh[one], theirs[one]) for one in shared)
    assert classifiers.revision(name) != classifiers.revision("vit") == ""


def test_what_is_no_classifier_is_said_so(tmp_path: Path):
    with pytest.raises(ModelError, match="no model folder"):
        classifiers.untrained(str(tmp_path), 5, 0, size=64, width=8)


def test_every_image_comes_as_often_however_few_there_are():
    import torch

    for rows, steps, batch in ((5, 7, 4), (100, 3, 8), (3, 2, 8)):
        random = np.random.default_rng(0)
        batches = list(training._moved_batches(rows, steps, batch, 4, 4, random))
        assert len(batches) == steps
        assert all(len(part) == batch for part, _, _ in batches)
        seen = torch.cat([part for part, _, _ in batches]).bincount(minlength=rows)
        assert seen.max() - seen.min() <= 1
        assert all(by.abs().max() <= 4 for _, _, by in batches)


def test_a_moved_image_keeps_its_pixels_and_repeats_its_edge():
    import torch

    images = torch.arange(2 * 4 * 5 * 1, dtype=torch.uint8).reshape(2, 4, 5, 1)
    found = training._moved(images, torch.tensor([1, 1, 0]), torch.tensor([[0, 0], [1, -2], [-3, 4]]))
    assert torch.equal(found[0], images[1])
    assert torch.equal(found[1, 1:, :3], images[1, :3, 2:])
    assert torch.equal(found[1, 0], found[1, 1])
    assert torch.equal(found[1, :, 3], found[1, :, 4])
    assert (found[2] == images[0, 3, 0]).all()
