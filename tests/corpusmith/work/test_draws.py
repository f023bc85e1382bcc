"""Draws by seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.work.draws import below, mix, uniform

SEEDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50)


def test_draws_are_the_same_on_every_machine():
    # the first output of SplitMix64 for seed 0, as published with its reference code
    assert mix(np.zeros(1, dtype=np.uint64)).tolist() == [0xE220A8397B1DCDAF]
    assert below(np.arange(5, dtype=np.uint64), 1000).tolist() == [883, 566, 591, 113, 431]


@given(SEEDS, st.integers(1, 2**32))
def test_draws_stay_below_their_limit(seeds, limit):
    drawn = below(np.array(seeds, dtype=np.uint64), limit)
    assert (drawn >= 0).all()
    assert (drawn < limit).all()


@given(SEEDS)
def test_uniform_draws_lie_between_nought_and_one(seeds):
    drawn = uniform(np.array(seeds, dtype=np.uint64))
    assert ((drawn > 0) & (drawn < 1)).all()


def test_draws_are_even():
    counts = np.bincount(below(np.arange(70_000, dtype=np.uint64), 7), minlength=7)
    assert abs(counts - 10_000).max() < 400
