"""Near hashes: exactly those that comparing all with all finds, however the hashes lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.curate import hamming
from corpusmith.curate.hamming import banded, near_among, near_between


def pairs(parts):
    found = [(int(a), int(b), int(d)) for part in parts for a, b, d in zip(*part, strict=True)]
    assert len(found) == len(set(found)), "a pair was found twice"
    return set(found)


def all_pairs(left, right, distance, same=False):
    differing = np.bitwise_count(left[:, None] ^ right[None])
    here, there = np.nonzero(differing <= distance)
    return {(int(a), int(b), int(differing[a, b])) for a, b in zip(here, there, strict=True) if a < b or not same}


@st.composite
def hashes(draw, most=60):
    """Hashes of which many are near others, drawn so that bits and bands are skewed at times."""
    size = draw(st.integers(0, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    made = rng.integers(0, 2**64, size, dtype=np.uint64)
    made &= np.uint64(draw(st.sampled_from([2**64 - 1, 0x00FF00FF00FF00FF, 0xFFFF, 0])))
    for place in range(size // 2):
        flipped = rng.choice(64, rng.integers(0, 12), replace=False).astype(np.uint64)
        made[place] = made[-1 - place] ^ np.bitwise_or.reduce(np.uint64(1) << flipped, initial=np.uint64(0))
    return made


@pytest.fixture
def no_overheads(monkeypatch):
    """Bands are used for the smallest sets."""
    for name in ("TABLED", "PROBED", "LOOKED_UP"):
        monkeypatch.setattr(hamming, name, 0.0)
    monkeypatch.setattr(hamming, "WIDEST", 11)
    monkeypatch.setattr(hamming, "OUTER", 40.0)


@given(hashes(), st.integers(0, 16))
def test_few_hashes_are_compared_all_with_all(made, distance):
    assert pairs(near_among(made, distance)) == all_pairs(made, made, distance, same=True)


@pytest.mark.usefixtures("no_overheads")
def test_all_near_pairs_are_found_by_bands():
    @settings(max_examples=25)
    @given(hashes(), st.integers(0, 9))
    def check(made, distance):
        assert pairs(near_among(made, distance)) == all_pairs(made, made, distance, same=True)

    check()


@settings(max_examples=25)
@given(hashes(), hashes(), st.integers(0, 8))
def test_between_two_sets_all_near_pairs_are_found(left, right, distance):
    assert pairs(near_between(left, banded(right), distance)) == all_pairs(left, right, distance)


@pytest.mark.usefixtures("no_overheads")
def test_crowded_values_are_searched_by_what_is_left_of_them(monkeypatch):
    rng = np.random.default_rng(3)
    made = rng.integers(0, 2**64, 3000, dtype=np.uint64)
    made[:2000] = made[:2000] >> np.uint64(40) | np.uint64(0xABCDEF1234 << 24)
    monkeypatch.setattr(hamming, "CROWD", 1 << 12)
    searches = []
    search = hamming._pairs
    monkeypatch.setattr(hamming, "_pairs", lambda *a, **k: searches.append(a) or search(*a, **k))
    assert pairs(near_among(made, 3)) == all_pairs(made, made, 3, same=True)
    assert len(searches) > 1


def test_two_thousand_equal_hashes_among_others_are_searched_but_a_few_times(monkeypatch):
    made = np.random.default_rng(5).integers(0, 2**64, 40_000, dtype=np.uint64)
    equal = np.arange(0, 40_000, 20)
    made[equal] = 0x0123456789ABCDEF
    searches = []
    search = hamming._pairs

    def counted(*asked, **how):
        searches.append(asked)
        assert len(searches) <= hamming.MOST_BANDS + 1, "what is crowded is cut again and again"
        return search(*asked, **how)

    monkeypatch.setattr(hamming, "_pairs", counted)
    left, right, distance = (np.concatenate(column) for column in zip(*near_among(made, 6), strict=True))
    here, there = np.triu_indices(len(equal), 1)
    assert np.array_equal(np.unique(left * len(made) + right), equal[here] * len(made) + equal[there])
    assert len(left) == len(here)
    assert not distance.any()


def test_hashes_that_are_all_equal_are_compared_at_once(monkeypatch):
    monkeypatch.setattr(hamming, "_search", lambda *_: pytest.fail("bands tell equal hashes not apart"))
    parts = list(near_among(np.full(2000, 7, np.uint64), 6))
    assert sum(len(near.left) for near in parts) == 2000 * 1999 // 2


def test_a_hundred_thousand_hashes_need_no_quadratic_step(monkeypatch):
    compared = []
    monkeypatch.setattr(hamming, "_all_with_all", lambda *a: compared.append(a) or iter(()))
    made = np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64)
    made[50_000] = made[7] ^ np.uint64(0b111)
    assert pairs(near_among(made, 4)) == {(7, 50_000, 3)}
    assert compared == []
