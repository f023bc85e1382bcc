"""The nearest real image, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.curate.nearest import nearest


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
def test_blocks_change_nothing_and_the_nearest_is_the_greatest_cosine(rows, sources, block, seed):
    random = np.random.default_rng(seed)
    vectors, real = random.normal(size=(rows, 4)), random.normal(size=(sources, 4))
    place, cosine = nearest(vectors, real, block)
    every = (vectors / np.linalg.norm(vectors, axis=1)[:, None]) @ (real / np.linalg.norm(real, axis=1)[:, None]).T
    assert (place == every.argmax(axis=1)).all()
    assert cosine == pytest.approx(every.max(axis=1), abs=1e-5)


def test_a_copy_is_its_own_nearest_and_the_first_of_several():
    real = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    place, cosine = nearest(3 * real[[4, 17]], np.concatenate([real, real]), block=7)
    assert list(place) == [4, 17]
    assert cosine == pytest.approx(1)


def test_what_has_no_direction_is_near_to_nothing():
    vectors = np.array([[1.0, 0], [0, 0], [np.nan, 1]])
    place, cosine = nearest(vectors, np.array([[np.nan, 0], [0, 0], [-1, 0.0]]), block=2)
    assert list(place) == [2, -1, -1]
    assert cosine[0] == pytest.approx(-1)
    assert np.isnan(cosine[1:]).all()
    place, cosine = nearest(vectors, np.zeros((0, 2)))
    assert list(place) == [-1, -1, -1]
    assert np.isnan(cosine).all()
