"""The segmentation baselines, taught to find a square of one of two colours, or of one grain, on noise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from corpusmith.models.segmenters import IMAGE_CLASSIFIERS, SEGMENTERS, residual, training
from corpusmith.models.segmenters.training import Bytes, Floats

CLASSES = 3
WIDTH = 8
COLOURS = np.array([[200, 60, 60], [60, 60, 200]])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def squares(rows: int, seed: int, grain: bool = False) -> tuple[Bytes, Bytes]:
    """Noise with a square of class 1 or 2 in each image, told by its colour or by how much noise there is in it."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 30, (rows, 64, 64, 3))
    images, labels = 128 + noise, np.zeros((rows, 64, 64), np.uint8)
    for row in range(rows):
        kind, side = 1 + row % 2, random.integers(24, 41)
        top, left = random.integers(0, 65 - side, 2)
        inside = (row, slice(top, top + side), slice(left, left + side))
        labels[inside] = kind
        images[inside] = 128 + noise[inside] / 5**kind if grain else COLOURS[kind - 1] + noise[inside]
    return images.clip(0, 255).astype(np.uint8), labels


def mean_iou(probabilities: Floats, labels: Bytes) -> float:
    said = probabilities.argmax(1)
    each = [(said == kind) & (labels == kind) for kind in range(CLASSES)]
    either = [(said == kind) | (labels == kind) for kind in range(CLASSES)]
    return float(np.mean([hit.sum() / out_of.sum() for hit, out_of in zip(each, either, strict=True)]))


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("size", [(64, 64), (70, 45), (32, 33)])
def test_a_segmenter_says_something_of_every_pixel(name: str, size: tuple[int, int]) -> None:
    import torch

    from corpusmith.models.segmenters.networks import untrained

    logits = untrained(name, CLASSES, seed=0, width=WIDTH)(torch.rand(2, 3, *size))
    assert logits.shape == (2, CLASSES, *size)
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("name", SEGMENTERS)
def test_the_seed_decides_the_weights_before_and_after_training(name: str) -> None:
    import torch

    from corpusmith.models.segmenters.networks import untrained

    def weights(seed: int, epochs: int) -> torch.Tensor:
        network = untrained(name, CLASSES, seed, WIDTH)
        if epochs:
            training.fit(network, *squares(5, 0), epochs=epochs, batch_rows=4, seed=seed)
        return torch.nn.utils.parameters_to_vector(network.parameters()).detach()

    assert torch.equal(weights(0, 0), weights(0, 0))
    assert torch.equal(weights(0, 2), weights(0, 2))
    assert not torch.equal(weights(0, 0), weights(1, 0))
    assert not torch.equal(weights(0, 0), weights(0, 2))


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_segmenter_learns_who_made_a_square(name: str) -> None:
    from corpusmith.models.segmenters.networks import untrained

    network = untrained(name, CLASSES, seed=0, width=WIDTH)
    training.fit(network, *squares(96, 0), epochs=5, batch_rows=8, seed=0)
    images, labels = squares(16, 1)
    found = training.predict(network, images)
    assert not network.training
    assert found.shape == (16, CLASSES, 64, 64)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    majority = mean_iou(np.eye(CLASSES, dtype=np.float32)[np.zeros_like(labels)].transpose(0, 3, 1, 2), labels)
    assert mean_iou(found, labels) > majority + 0.4


@pytest.mark.parametrize("name", IMAGE_CLASSIFIERS)
def test_a_classifier_learns_who_made_a_square_of_an_image(name: str) -> None:
    from corpusmith.models.segmenters.networks import classifier

    images, labels = squares(128, 0)
    kinds = labels.max(axis=(1, 2)).astype(np.int64)
    network = classifier(name, CLASSES, seed=0, size=64)
    training.fit(network, images[:96], kinds[:96], epochs=4, batch_rows=16, rate=1e-3, seed=0)
    found = training.predict(network, images[96:])
    assert found.shape == (32, CLASSES)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert (found.argmax(1) == kinds[96:]).mean() > 0.9


def test_noise_tells_who_made_a_square() -> None:
    shown = squares(24, 0, grain=True)
    model = residual.fit(*shown, CLASSES, seed=0, pixels=3_000)
    images, labels = squares(8, 1, grain=True)
    found = residual.predict(model, images)
    assert found.shape == (8, CLASSES, 64, 64)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert mean_iou(found, labels) > 0.7
    again = residual.predict(residual.fit(*shown, CLASSES, seed=0, pixels=3_000), images)
    np.testing.assert_array_equal(found, again)


def test_a_class_that_the_regression_never_saw_is_improbable_and_keeps_its_place() -> None:
    images, labels = squares(8, 0, grain=True)
    model = residual.fit(images, np.where(labels == 1, 0, labels), CLASSES, seed=0, pixels=1_000)
    found = residual.predict(model, images)
    assert found.shape[1] == CLASSES
    assert not found[:, 1].any()
    assert found[:, 2].any()


def test_residuals_see_noise_and_no_plain_colour() -> None:
    images = np.full((2, 20, 30, 3), 90, np.uint8)
    images[1] = np.random.default_rng(0).integers(0, 256, images[1].shape)
    seen = residual.features(images)
    assert seen.shape == (2, 20, 30, len(residual.FILTERS) * len(residual.WINDOWS))
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[0], 0, atol=1e-4)
    assert (seen[1].mean(axis=(0, 1)) > 3).all()


def test_what_trains_can_be_imported_without_torch() -> None:
    program = "import sys; from corpusmith.models.segmenters import residual, training; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("name", ["untrained", "classifier"])
def test_a_name_that_is_none_is_refused_with_those_that_are(name: str) -> None:
    from corpusmith.models.segmenters import networks

    with pytest.raises(ValueError, match="expected one of"):
        getattr(networks, name)("u-net", CLASSES, 0, 64)


def test_few_channels_and_odd_batches_do_not_end_the_process():
    """torch 2.13 corrupts its memory there when weights are channels last (deeplabv3+, 12 channels, 25 rows)."""
    fit = (
        "import numpy as np; from corpusmith.models.segmenters import training;"
        "from corpusmith.models.segmenters.networks import untrained;"
        "images = np.zeros((25, 64, 64, 3), np.uint8);"
        "training.fit(untrained('deeplabv3+', 2, 0, 12), images, images[..., 0], epochs=6, seed=0)"
    )
    assert subprocess.run([sys.executable, "-c", fit], capture_output=True, check=False).returncode == 0
