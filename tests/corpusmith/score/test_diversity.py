import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from corpusmith.score import diversity

SIZES = st.tuples(st.integers(2, 15), st.integers(2, 6), st.integers(0, 99))


def points(n, width, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width))


def plainly(vectors, sigma, time=1):
    """The definition, step by step: kernel, density normalisation, random walk, its eigenvalues' entropy."""
    kernel = np.exp(-(np.linalg.norm(vectors[:, None] - vectors[None], axis=-1) ** 2) / (2 * sigma**2))
    walk = kernel / kernel.sum(axis=1, keepdims=True)
    eigenvalues = np.abs(np.linalg.eigvals(np.linalg.matrix_power(walk, time)))
    shares = eigenvalues / eigenvalues.sum()
    return -sum(share * np.log2(share) for share in shares if share > 1e-15)


@given(SIZES)
def test_spread_is_the_mean_cosine_distance_of_pairs(size):
    vectors = points(*size)
    found = diversity.spread(diversity.unit(vectors), np.ones((1, len(vectors))))
    assert found[0] == pytest.approx(pdist(vectors, "cosine").mean())


def test_the_spread_of_a_resample_leaves_out_an_image_and_its_own_copies():
    vectors, counts = diversity.unit(points(5, 3)), np.array([2, 0, 1, 3, 1])
    rows = np.repeat(np.arange(5), counts)
    pairs = [(i, j) for n, i in enumerate(rows) for j in rows[:n] if i != j]
    expected = np.mean([1 - vectors[i] @ vectors[j] for i, j in pairs])
    assert diversity.spread(vectors, counts[None].astype(float))[0] == pytest.approx(expected)


@pytest.mark.parametrize("time", [1, 3])
def test_entropy_is_that_of_the_random_walks_eigenvalues(time):
    vectors = points(12, 4)
    assert diversity.spectral_entropy(vectors, 1.5, time) == pytest.approx(plainly(vectors, 1.5, time), abs=1e-6)


def test_entropy_counts_kinds():
    """Four tight groups far from one another are two bits; one image again and again none; all apart log2 n."""
    kinds = np.repeat(np.eye(4) * 100, 8, axis=0) + points(32, 4) * 1e-6
    assert diversity.spectral_entropy(kinds, 1.0) == pytest.approx(2, abs=1e-3)
    assert diversity.spectral_entropy(np.ones((9, 3)), 1.0) == pytest.approx(0, abs=1e-6)
    assert diversity.spectral_entropy(np.eye(16) * 100, 1.0) == pytest.approx(4)


@given(SIZES)
def test_entropy_and_bandwidth_know_no_order(size):
    vectors = points(*size)
    sigma = diversity.bandwidth(vectors)
    assert sigma == pytest.approx(np.median(pdist(vectors)))
    assert diversity.bandwidth(vectors[::-1]) == pytest.approx(sigma)
    entropy = diversity.spectral_entropy(vectors, sigma)
    assert diversity.spectral_entropy(vectors[::-1], sigma) == pytest.approx(entropy)
    assert -1e-9 <= entropy <= np.log2(len(vectors)) + 1e-9


def test_one_image_has_no_diversity_to_speak_of():
    assert np.isnan(diversity.spread(np.ones((1, 3)), np.ones((1, 1)))[0])
    assert np.isnan(diversity.spectral_entropy(np.ones((1, 3)), 1.0))
    assert diversity.bandwidth(np.ones((1, 3))) == 1
    assert diversity.bandwidth(np.ones((4, 3))) == 1


def test_many_images_are_sampled_by_their_key():
    vectors = points(50, 2)
    assert diversity.drawn(vectors, "a", 50) is vectors
    sample = diversity.drawn(vectors, "a", 20)
    assert len(np.unique(sample, axis=0)) == 20
    assert (sample == diversity.drawn(vectors, "a", 20)).all()
    assert not np.array_equal(sample, diversity.drawn(vectors, "b", 20))


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_the_intrinsic_dimension_of_a_ball_is_its_own_wherever_it_lies(dimension):
    """A flat piece of a 20-dimensional space, turned: it has as many directions as it has coordinates."""
    random = np.random.default_rng(0)
    turned = np.linalg.qr(random.normal(size=(20, 20)))[0][:dimension]
    found = diversity.intrinsic_dimension(random.uniform(-1, 1, (800, dimension)) @ turned + 3)
    assert found == pytest.approx(dimension, rel=0.15)


def test_a_curve_and_a_sphere_are_of_one_and_two_dimensions():
    random = np.random.default_rng(1)
    angle = random.uniform(0, 9, 600)
    assert diversity.intrinsic_dimension(np.stack([np.cos(angle), np.sin(angle), angle / 3], axis=1)) == pytest.approx(
        1, rel=0.1
    )
    assert diversity.intrinsic_dimension(diversity.unit(random.normal(size=(800, 3)))) == pytest.approx(2, rel=0.1)


@given(SIZES, st.floats(0.01, 100))
def test_the_intrinsic_dimension_knows_no_scale_order_or_copies(size, scale):
    vectors = points(size[0] + 10, *size[1:])
    found = diversity.intrinsic_dimension(vectors, 5)
    assert diversity.intrinsic_dimension(vectors[::-1] * scale, 5) == pytest.approx(found, rel=1e-6)
    assert diversity.intrinsic_dimension(np.repeat(vectors, 3, axis=0), 5) == pytest.approx(found, rel=1e-6)


def test_too_few_images_have_no_intrinsic_dimension():
    assert np.isnan(diversity.intrinsic_dimension(points(10, 3), 10))
    assert np.isnan(diversity.intrinsic_dimension(np.ones((50, 3)), 10))
    assert np.isfinite(diversity.intrinsic_dimension(points(11, 3), 10))
    assert np.isnan(diversity.intrinsic_dimension(np.concatenate([points(10, 3)] * 9), 10))
    assert np.isnan(diversity.intrinsic_dimension(points(0, 3), 10))
