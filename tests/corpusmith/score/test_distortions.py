"""What happens to images on their way leaves their size and, at each strength, more or less of what they were."""

import numpy as np
import pytest

from corpusmith.drawings import scenes
from corpusmith.score.distortions import DISTORTIONS, distorted


@pytest.fixture(scope="module")
def images():
    return np.stack([np.asarray(scenes.draw(row)) for row in scenes.traits(6, 1).to_dicts()])


@pytest.mark.parametrize("name", DISTORTIONS)
def test_an_image_is_changed_and_can_still_be_told(images, name):
    worn = distorted(images, name)
    off = np.abs(worn.astype(int) - images).mean()
    assert worn.shape == images.shape
    assert 0 < off < 45
    assert np.array_equal(worn, distorted(images, name))


@pytest.mark.parametrize(("less", "more"), [("JPEG 95", "JPEG 50"), ("resize 0.75", "resize 0.5")])
def test_the_stronger_loses_more(images, less, more):
    first, second = (np.abs(distorted(images, name).astype(int) - images).mean() for name in (less, more))
    assert first < second


def test_no_images_are_no_fault():
    assert distorted(np.zeros((0, 8, 8, 3), np.uint8), "blur").shape == (0, 8, 8, 3)
