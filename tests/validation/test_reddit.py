import html
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ReleaseError
from corpusmith.release.manifest import Manifest
from corpusmith.validation import validate_release
from corpusmith.validation.reddit import SENTENCES, SUITE, Limits
from corpusmith.validation.report import Report

Fault = Callable[[pl.DataFrame], tuple[pl.DataFrame, set[str]]]


def failed(report: Report) -> dict[str, set[str]]:
    return {result.name: set(result.keys) for result in report.results if not result.success}


def put(rows: pl.DataFrame, key: str, /, **values: object) -> pl.DataFrame:
    """The table with some values of one row changed."""
    chosen = pl.col("key") == key
    return rows.with_columns(
        pl.when(chosen).then(pl.lit(value, rows.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def pick(
    rows: pl.DataFrame, origin: str = "synthetic", split: str = "train", emotion: str = "joy", nth: int = 0
) -> str:
    """The key of a row."""
    chosen = (pl.col("origin") == origin) & (pl.col("split") == split) & (pl.col("emotion") == emotion)
    return str(rows.filter(chosen)["key"][nth])


def value(rows: pl.DataFrame, key: str, column: str) -> object:
    return rows.filter(pl.col("key") == key)[column][0]


def changed(**values: object) -> Fault:
    """A fault: one synthetic row with these values."""

    def plant(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
        key = pick(rows)
        return put(rows, key, **values), {key}

    return plant


def an_unasked_column(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    return rows.with_columns(raw=pl.lit("as it was typed")), {"raw"}


def a_column_of_another_type(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    return rows.with_columns(pl.col("created_utc").cast(pl.String)), {"created_utc"}


def a_missing_column(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    return rows.drop("subreddit"), {"subreddit"}


def one_row_twice(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    first, second = pick(rows), pick(rows, nth=1)
    same = {name: value(rows, first, name) for name in ("key", "plan", "fingerprint", "seed")}
    return put(rows, second, **same), {first}


def an_unknown_emotion(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    key = pick(rows, "natural")
    return put(rows, key, emotion="envy"), {key}


def an_unsure_judge(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    key = pick(rows)
    unsure = {f"p_{emotion}": 0.3 if emotion == "joy" else 0.7 / 6 for emotion in EMOTIONS}
    return put(rows, key, confidence=0.3, **unsure), {key}


def a_rare_emotion(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    few = rows.filter((pl.col("origin") == "synthetic") & (pl.col("emotion") == "fear")).head(3)
    return rows.join(few, on="key", how="anti", maintain_order="left"), {"fear"}


def an_emotion_that_shuns_a_split(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    joyful = (pl.col("emotion") == "joy").all().over("group")
    return rows.with_columns(split=pl.when(joyful).then(pl.lit("train")).otherwise("split")), {"joy in test"}


def an_empty_split(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    return rows.with_columns(pl.col("split").replace("validation", "train")), set()


def a_repeated_text(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    first, second = pick(rows), pick(rows, nth=1)
    return put(rows, second, text=value(rows, first, "text")), {first, second}


def a_near_duplicate_in_another_split(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    first, second = pick(rows), pick(rows, split="test")
    text = " ".join(f"word{number}" for number in range(30))
    return put(put(rows, first, text=text), second, text=f"{text} more"), {first, second}


def personal_data(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    key = pick(rows)
    return put(rows, key, text="write to jane.doe@example.com or to u/jane_doe_42"), {key}


def personal_data_of_a_source(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    key = pick(rows, "rewritten")
    return put(rows, key, source_text="my card is 4111 1111 1111 1111 so there"), {key}


def another_plan(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    key = pick(rows, "natural")
    return put(rows, key, plan=str(value(rows, key, "plan")).replace("RC_2006-01", "RC_2006-02")), {key}


def another_seed(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    key = pick(rows)
    return put(rows, key, seed=int(str(value(rows, key, "seed"))) + 1), {key}


def across_splits(column: str) -> Fault:
    """A fault: two rows of two splits share a value."""

    def plant(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
        first, second = pick(rows), pick(rows, split="test")
        return put(put(rows, first, **{column: "shared"}), second, **{column: "shared"}), {first, second}

    return plant


def a_rewrite_away_from_its_source(rows: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
    rewrite, source = pick(rows, "rewritten"), pick(rows, "natural", split="test")
    return put(rows, rewrite, source_key=source), {rewrite, source}


RELEASED = [
    ("schema", an_unasked_column),
    ("schema", a_column_of_another_type),
    ("schema", a_missing_column),
    ("key_unique", one_row_twice),
    ("values_present", changed(language=None)),
    ("values_present", changed(group="")),
    ("origin_known", changed(origin="copied")),
    ("emotion_known", an_unknown_emotion),
    ("target_met", changed(target="fear")),
    ("confident", an_unsure_judge),
    ("probabilities_sum", changed(p_fear=0.2)),
    ("second_opinion", changed(second_emotion="envy")),
    ("second_opinion", changed(second_confidence=None)),
    ("second_opinion", changed(second_confidence=1.2)),
    ("second_opinion", changed(second_judge=None)),
    ("valence_bounded", changed(valence=-1.5)),
    ("values_present", changed(valence=None)),
    ("emotion_most_probable", changed(confidence=0.6)),
    ("emotion_most_probable", changed(p_joy=0.05, p_fear=0.7)),
    ("balanced", a_rare_emotion),
    ("splits_balanced", an_emotion_that_shuns_a_split),
    ("splits_filled", an_empty_split),
    ("split_known", changed(split="dev")),
    ("language_english", changed(language="de")),
    ("words", changed(text="so true")),
    ("text_unique", a_repeated_text),
    ("no_near_duplicates_across_splits", a_near_duplicate_in_another_split),
    ("no_personal_data", personal_data),
    ("no_personal_data", personal_data_of_a_source),
    ("author_hashed", changed(author="jane_doe_42")),
    ("provenance_complete", changed(writer=None)),
    ("provenance_complete", changed(judge="")),
    ("writer_not_judge", changed(writer="house/emotion-judge@ffffffffffff")),
    ("writer_not_judge", changed(writer="house/other-judge@ffffffffffff")),
    ("writer_not_judge", changed(second_judge="house/emotion-judge@ffffffffffff")),
    ("key_recomputes", another_plan),
    ("seed_from_key", another_seed),
    ("group_in_one_split", across_splits("group")),
    ("thread_in_one_split", across_splits("thread")),
    ("source_in_one_split", a_rewrite_away_from_its_source),
]


@pytest.mark.parametrize(("name", "fault"), RELEASED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(RELEASED)])
def test_a_planted_fault_fails_just_its_expectation_and_is_named(valid: pl.DataFrame, name: str, fault: Fault) -> None:
    rows, keys = fault(valid)
    report = SUITE.validate(rows.lazy())
    assert set(failed(report)) == {name}
    assert keys <= failed(report)[name]
    assert not report.success


def test_a_corpus_in_which_all_holds_passes_every_expectation(
    valid: pl.DataFrame, valid_rejected: pl.DataFrame
) -> None:
    made = dict((valid["origin"].value_counts()).rows())
    made["natural"] += len(valid_rejected)
    report = SUITE.validate(valid.lazy(), valid_rejected.lazy(), Limits(made=made))
    assert report.success, failed(report)
    assert [result.name for result in report.results] == list(SENTENCES)
    assert all(result.failing == 0 and result.keys == () for result in report.results)


REJECTED = [
    ("rejected_schema", {"raw": pl.lit("as it was typed")}),
    ("rejected_reasons_known", {"reasons": pl.lit([], pl.List(pl.String))}),
    ("rejected_reasons_known", {"reasons": pl.concat_list("reasons", pl.lit("dull"))}),
    ("rejected_reasons_known", {"reasons": pl.lit(None, pl.List(pl.String))}),
    ("rejected_values_present", {"plan": pl.lit(None, pl.String)}),
    ("rejected_no_personal_data", {"text": pl.lit("call me, I am at 192.168.17.4 now")}),
    ("rejected_author_hashed", {"author": pl.lit("jane_doe_42")}),
]


@pytest.mark.parametrize(("name", "values"), REJECTED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(REJECTED)])
def test_a_fault_among_the_rejected_fails_just_its_expectation_and_is_named(
    valid: pl.DataFrame, valid_rejected: pl.DataFrame, name: str, values: dict[str, pl.Expr]
) -> None:
    key = valid_rejected["key"][7]
    rows = valid_rejected.with_columns(
        pl.when(pl.col("key") == key)
        .then(value)
        .otherwise(column if column in valid_rejected.columns else None)
        .alias(column)
        for column, value in values.items()
    )
    assert failed(SUITE.validate(valid.lazy(), rows.lazy())) == {name: {"raw"} if name == "rejected_schema" else {key}}


def test_a_row_that_is_released_and_rejected_is_named(valid: pl.DataFrame, valid_rejected: pl.DataFrame) -> None:
    key = valid["key"][3]
    rejected = put(valid_rejected, valid_rejected["key"][0], key=key)
    assert failed(SUITE.validate(valid.lazy(), rejected.lazy())) == {"kept_or_rejected": {key}}


def test_a_lost_row_is_noticed_by_its_origin(valid: pl.DataFrame, valid_rejected: pl.DataFrame) -> None:
    made = dict(valid["origin"].value_counts().rows())
    report = SUITE.validate(valid.lazy(), valid_rejected.lazy(), Limits(made={**made, "natural": made["natural"] + 21}))
    assert failed(report) == {"all_accounted": {"natural"}}


def test_a_table_without_rows_does_not_pass(valid: pl.DataFrame) -> None:
    assert not SUITE.validate(valid.clear().lazy()).success


def test_judges_need_not_agree_but_where_they_must(valid: pl.DataFrame) -> None:
    other, alone = pick(valid), pick(valid, nth=1)
    rows = put(valid, other, second_emotion="fear")
    rows = put(rows, alone, second_emotion=None, second_confidence=None, second_judge=None)
    assert SUITE.validate(rows.lazy()).success
    assert failed(SUITE.validate(rows.lazy(), limits=Limits(agree=True))) == {"second_opinion": {other, alone}}


def test_limits_are_kept_exactly(valid: pl.DataFrame) -> None:
    assert SUITE.validate(valid.lazy(), limits=Limits(min_confidence=0.7)).success
    assert set(failed(SUITE.validate(valid.lazy(), limits=Limits(min_confidence=0.71)))) == {"confident"}


def test_many_failing_rows_are_counted_and_the_first_twenty_named(valid: pl.DataFrame) -> None:
    report = SUITE.validate(valid.with_columns(language=pl.lit("de"), author=pl.lit("jane")).lazy())
    found = {result.name: result for result in report.results if not result.success}
    assert {name: (result.failing, len(result.keys)) for name, result in found.items()} == {
        "language_english": (len(valid), 20),
        "author_hashed": (len(valid), 20),
    }
    assert found["language_english"].keys == tuple(sorted(valid["key"])[:20])


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(valid: pl.DataFrame, seed: int) -> None:
    faulty = valid
    for fault in (personal_data_of_a_source, a_rewrite_away_from_its_source, a_rare_emotion, an_unknown_emotion):
        faulty, _ = fault(faulty)
    shuffled = faulty.sample(fraction=1, shuffle=True, seed=seed)
    assert SUITE.validate(shuffled.lazy()) == SUITE.validate(faulty.lazy())


@pytest.fixture
def release(tmp_path: Path, valid: pl.DataFrame, valid_rejected: pl.DataFrame) -> Path:
    folder = tmp_path / "reddit"
    for name in ("data", "rejected"):
        (folder / name).mkdir(parents=True)
    for split in ("train", "validation", "test"):
        rows = valid.filter(pl.col("split") == split)
        for part in (0, 1):
            rows[part::2].write_parquet(folder / "data" / f"{split}-0000{part}-of-00002.parquet")
    valid_rejected.write_parquet(folder / "rejected" / "rejected-00000-of-00001.parquet")
    return folder


def text_of(page: Path) -> str:
    return re.sub(
        r"\s+", " ", re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", page.read_text(), flags=re.S)
    )


def test_a_release_folder_is_read_with_the_limits_and_counts_of_its_manifest(
    release: Path, valid: pl.DataFrame
) -> None:
    assert validate_release(SUITE, release).success
    reddit = {
        "balanced": {"tolerance": 0.02},
        "comments": {"min_words": 6, "jaccard": 0.8},
        "labelled": {"min_confidence": 0.4},
        "models": {"judge": "house/emotion-judge"},
    }
    counts = {"rows": valid.height, "made": {"natural": 1, "rewritten": 105, "synthetic": 105}}
    shards = {path.relative_to(release).as_posix(): pl.read_parquet(path).height for path in release.rglob("*.parquet")}
    files = {name: {"sha256": "", "bytes": 0, "rows": rows} for name, rows in shards.items()}
    said = Manifest("reddit", "1.0.0", "0" * 64, "0" * 32, {}, counts, [], {}, {"reddit": reddit}, files, {})
    (release / "manifest.json").write_text(said.to_json())
    assert failed(validate_release(SUITE, release)) == {
        "words": set(valid.filter(pl.col("text").str.split(" ").list.len() < 6)["key"].sort().head(20)),
        "all_accounted": {"natural"},
    }


def test_data_docs_name_what_failed_and_where(release: Path, tmp_path: Path) -> None:
    shard = release / "data" / "train-00000-of-00002.parquet"
    rows, personal = personal_data(pl.read_parquet(shard))
    rows, unknown = an_unknown_emotion(rows)
    rows.write_parquet(shard)
    docs = tmp_path / "docs"
    for _ in range(2):
        report = validate_release(SUITE, release, docs)
        assert set(failed(report)) == {"no_personal_data", "emotion_known"}
    assert (docs / "index.html").is_file()
    pages = " ".join(text_of(page) for page in (docs / "validations").rglob("*.html"))
    unsaid = {name for name, sentence in SENTENCES.items() if sentence.partition("{")[0] not in pages}
    assert unsaid == {"all_accounted"}  # without a manifest nobody knows how many rows came in
    assert "EMAIL in text, USER in text" in pages
    assert all(key in pages for key in personal | unknown)


def test_data_docs_run_and_load_nothing(release: Path, tmp_path: Path) -> None:
    shard = release / "data" / "train-00000-of-00002.parquet"
    rows, _ = a_repeated_text(pl.read_parquet(shard))
    hostile = "<script>alert(1)</script> <b>and $more of ${this}"
    rows.with_columns(
        pl.col("text").replace(rows["text"].filter(rows["text"].is_duplicated())[0], hostile)
    ).write_parquet(shard)
    docs = tmp_path / "docs"
    assert set(failed(validate_release(SUITE, release, docs))) == {"text_unique"}
    pages = [page.read_text() for page in docs.rglob("*.html")]
    assert any(html.escape(hostile) in page for page in pages)
    assert not any("<script>alert" in page for page in pages)
    assert not any(re.search(r"(src|href)=.https?:|url\(.?https?:", page) for page in pages)


def test_a_file_that_does_not_say_its_split_is_refused(release: Path) -> None:
    shard = release / "data" / "train-00000-of-00002.parquet"
    shard.rename(shard.with_name("rows.parquet"))
    with pytest.raises(ReleaseError, match=r"rows\.parquet: expected a name like train-00000"):
        validate_release(SUITE, release)


def test_a_file_with_rows_of_another_split_is_refused(release: Path) -> None:
    shard = release / "data" / "train-00000-of-00002.parquet"
    shard.rename(shard.with_name("test-00002-of-00003.parquet"))
    with pytest.raises(ReleaseError, match="holds rows of the split 'train'"):
        validate_release(SUITE, release)


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="is no release"):
        validate_release(SUITE, tmp_path)
