import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.curate import duplicates, similar_pairs, spilled
from corpusmith.curate import shingles as shingling
from corpusmith.curate.duplicates import exact_duplicates, near_duplicates, similar_to
from corpusmith.curate.shingles import shingles
from corpusmith.errors import SettingsError

# few distinct words, so that texts overlap in all degrees
WORD = st.sampled_from(["a", "b", "c", "the", "dog", "naïve", "I", "42", "unbelievable"])
COMMENT = st.lists(WORD, max_size=15).map(" ".join)
COMMENTS = st.lists(COMMENT, max_size=25)

UNTIMED = settings(deadline=None)


def table(texts: list[str], prefix: str = "k") -> pl.LazyFrame:
    keys = [f"{prefix}{number:05}" for number in range(len(texts))]
    return pl.LazyFrame({"key": keys, "text": texts}, schema={"key": pl.String, "text": pl.String})


def shingle_set(text: str, words: int = 3) -> frozenset[tuple[str, ...]]:
    """The definition, word for word: what `shingles` must hash."""
    found = re.findall(r"[a-z0-9\x80-\U0010ffff]+", text.lower()) or [text.lower()]
    return frozenset(tuple(found[i : i + words]) for i in range(max(len(found) - words + 1, 1)))


def true_jaccard(left: str, right: str) -> float:
    a, b = shingle_set(left), shingle_set(right)
    return len(a & b) / len(a | b)


def true_clusters(texts: list[str], threshold: float) -> set[frozenset[str]]:
    cluster = {number: {number} for number in range(len(texts))}
    for i, j in combinations(range(len(texts)), 2):
        if true_jaccard(texts[i], texts[j]) >= threshold - 1e-9 and cluster[i] is not cluster[j]:
            cluster[i] |= cluster[j]
            for member in cluster[j]:
                cluster[member] = cluster[i]
    return {frozenset(f"k{n:05}" for n in members) for members in cluster.values() if len(members) > 1}


def clusters(found: pl.DataFrame) -> set[frozenset[str]]:
    return {frozenset(keys) for keys in found.group_by("cluster").agg("key")["key"].to_list()}


def edited(rng: np.random.Generator, words: list[str], edits: int, vocabulary: list[str]) -> list[str]:
    words = words.copy()
    for place in rng.choice(len(words), edits, replace=False):
        words[place] = str(rng.choice(vocabulary))
    return words


@UNTIMED
@given(st.lists(st.text(max_size=40), max_size=20), st.integers(1, 6))
def test_a_shingle_set_is_what_its_definition_says(texts: list[str], words: int) -> None:
    made = shingles(pl.Series(texts, dtype=pl.String), words)
    sets = [shingle_set(text, words) for text in texts]
    assert made.sizes.tolist() == [len(found) for found in sets]
    ends = made.sizes.cumsum()
    hashed = [set(part.tolist()) for part in np.split(made.hashes, ends[:-1])] if texts else []
    for (i, a), (j, b) in combinations(enumerate(sets), 2):
        assert len(hashed[i] & hashed[j]) == len(a & b)
        assert (made.digests[i] == made.digests[j]) == (a == b)


@UNTIMED
@given(COMMENTS, st.sampled_from([0.3, 0.5, 0.8, 0.9, 1.0]))
def test_clusters_are_exactly_what_comparing_all_with_all_finds(texts: list[str], threshold: float) -> None:
    assert clusters(near_duplicates(table(texts), threshold)) == true_clusters(texts, threshold)


@UNTIMED
@given(COMMENTS, COMMENTS)
def test_a_copy_is_found_with_the_reference_most_like_it(texts: list[str], reference: list[str]) -> None:
    found = similar_to(table(texts, "t"), table(reference, "r"))
    expected = {}
    for number, text in enumerate(texts):
        similarity = [true_jaccard(text, other) for other in reference]
        if similarity and max(similarity) >= 0.8 - 1e-9:
            expected[f"t{number:05}"] = (f"r{int(np.argmax(similarity)):05}", pytest.approx(max(similarity)))
    assert {key: (name, value) for key, name, value in found.iter_rows()} == expected


@UNTIMED
@given(COMMENTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_the_clusters(texts: list[str], random) -> None:
    rows = table(texts).collect()
    order = list(range(len(texts)))
    random.shuffle(order)
    assert clusters(near_duplicates(rows[order].lazy())) == clusters(near_duplicates(rows.lazy()))


def in_small_parts(patch: pytest.MonkeyPatch, size: int) -> None:
    """Let all that waits in files wait in many small ones, and be read in many small parts."""
    for module, settings_of_it in {
        duplicates: ("BATCH_ROWS", "ROWS_AT_ONCE"),
        similar_pairs: ("BATCH_ROWS", "SLICE_ROWS", "SLICE_SHINGLES", "PAIRS_AT_ONCE", "SHINGLES_AT_ONCE"),
        spilled: ("WINDOW", "BAND", "ROWS_AT_ONCE"),
        shingling: ("ROWS_AT_ONCE",),
    }.items():
        for setting in settings_of_it:
            patch.setattr(module, setting, size)
    patch.setattr(shingling, "BYTES_AT_ONCE", 10 * size)
    patch.setattr(spilled, "MOST_BANDS", 7)


@settings(UNTIMED, max_examples=30)
@given(COMMENTS, COMMENTS, st.integers(1, 9))
def test_what_waits_in_files_changes_nothing(texts: list[str], reference: list[str], size: int) -> None:
    rows, others = table(texts), table(reference, "r")
    whole = near_duplicates(rows), exact_duplicates(rows), similar_to(rows, others)
    with pytest.MonkeyPatch.context() as patch:
        in_small_parts(patch, size)
        assert near_duplicates(rows).equals(whole[0])
        assert exact_duplicates(rows).equals(whole[1])
        assert similar_to(rows, others).equals(whole[2])


@settings(UNTIMED, max_examples=30)
@given(COMMENTS, st.integers(1, 9), st.sampled_from([0.3, 0.8]))
def test_clusters_found_in_small_parts_are_what_comparing_all_with_all_finds(
    texts: list[str], size: int, threshold: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        in_small_parts(patch, size)
        assert clusters(near_duplicates(table(texts), threshold)) == true_clusters(texts, threshold)


@pytest.mark.parametrize("find", ["near_duplicates", "exact_duplicates"])
def test_four_times_the_rows_take_hardly_more_memory(find: str, tmp_path: Path) -> None:
    peaks = [peak_of(find, comments(tmp_path, rows)) for rows in (100_000, 400_000)]
    assert peaks[1] - peaks[0] < 30, f"MB at 100,000 and 400,000 rows: {peaks}"


def comments(folder: Path, rows: int) -> Path:
    """So many comments of twelve words with keys of 32 characters; every fiftieth said again."""
    said = pl.int_range(rows, dtype=pl.UInt64, eager=True)
    said = said.zip_with(said % 50 != 1, said - 1).alias("said").to_frame()
    words = [(pl.col("said") * factor % 1_000_003).cast(pl.String) for factor in range(99_991, 100_003)]
    path = folder / f"{rows}.parquet"
    said.select(
        key=pl.format("{}", pl.int_range(pl.len())).str.zfill(32), text=pl.concat_str(words, separator=" ")
    ).write_parquet(path, row_group_size=2_000)
    return path


def peak_of(find: str, source: Path) -> float:
    """The most megabytes that a process of its own holds, which finds duplicates in ``source``."""
    code = f"""
import polars, pathlib, scipy.sparse.csgraph
from corpusmith.curate.duplicates import {find}
assert len({find}(polars.scan_parquet({str(source)!r}))) >= 1000
print(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


@UNTIMED
@given(COMMENTS)
def test_the_first_row_of_a_cluster_is_kept_and_names_it(texts: list[str]) -> None:
    found = near_duplicates(table(texts))
    assert found["key"].is_sorted()
    for (name,), rows in found.group_by("cluster"):
        assert rows["key"].min() == name
        assert rows.filter(pl.col("duplicate_of").is_null())["key"].to_list() == [name]
        assert set(rows["duplicate_of"].drop_nulls()) == {name}


@UNTIMED
@given(st.lists(st.text(max_size=30), max_size=20))
def test_equal_texts_are_always_near_duplicates(texts: list[str]) -> None:
    found = near_duplicates(table(texts + texts))
    names = dict(zip(found["key"], found["cluster"], strict=True))
    for number in range(len(texts)):
        assert names[f"k{number:05}"] == names[f"k{number + len(texts):05}"]


@UNTIMED
@given(st.lists(st.text(max_size=10), max_size=30))
def test_exact_duplicates_are_told_by_their_first_row(texts: list[str]) -> None:
    first: dict[str, str] = {}
    expected = []
    for number, text in enumerate(texts):
        key = f"k{number:05}"
        if first.setdefault(text, key) != key:
            expected.append((key, first[text]))
    assert exact_duplicates(table(texts)).rows() == expected


def test_case_and_punctuation_do_not_make_a_new_text() -> None:
    texts = ["This is SO good!!!", "this is so good", "This is so bad", "…", "?!"]
    assert clusters(near_duplicates(table(texts))) == {frozenset({"k00000", "k00001"})}


def test_every_planted_copy_of_a_long_text_is_found_and_nothing_else() -> None:
    rng = np.random.default_rng(7)
    vocabulary = [f"word{number}" for number in range(5000)]
    originals = [rng.choice(vocabulary, 90).tolist() for _ in range(400)]
    copies = [edited(rng, words, int(rng.integers(0, 5)), vocabulary) for words in originals]
    texts = [" ".join(words) for words in originals + copies]
    expected = {
        frozenset({f"k{n:05}", f"k{n + 400:05}"}) for n in range(400) if true_jaccard(texts[n], texts[n + 400]) >= 0.8
    }
    assert 200 < len(expected) < 400
    assert clusters(near_duplicates(table(texts))) == expected


def test_a_flood_of_one_text_with_small_changes_is_one_cluster() -> None:
    rng = np.random.default_rng(3)
    template = [f"w{number}" for number in range(60)]
    flood = [" ".join(edited(rng, template, 1, [f"x{n}" for n in range(1000)])) for _ in range(5000)]
    found = near_duplicates(table([*flood, "something else altogether, said only once"]))
    assert len(found) == 5000
    assert found["cluster"].n_unique() == 1


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["one"], ["a" * 300_000, "b " * 300_000]])
def test_the_smallest_and_the_longest_inputs_are_answered(texts: list[str]) -> None:
    found = near_duplicates(table(texts))
    assert len(found) == (2 if texts == ["", ""] else 0)
    assert found.schema == {"key": pl.String, "cluster": pl.String, "duplicate_of": pl.String}
    assert similar_to(table(texts), table([])).is_empty()


def test_a_threshold_out_of_range_is_an_error_that_says_so() -> None:
    with pytest.raises(SettingsError, match=r"threshold.*at most 1, got 80"):
        near_duplicates(table(["a"]), threshold=80)
    with pytest.raises(SettingsError, match="words of a shingle"):
        similar_to(table(["a"]), table(["a"]), words=0)
