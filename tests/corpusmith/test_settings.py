"""Settings are complete and checked before anything runs; a mistake names its line."""

import re
from pathlib import Path

import pytest

from corpusmith.assets.registry import load
from corpusmith.errors import ModelError, SettingsError

PARAMS = Path(__file__).parents[2] / "params.yaml"


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = PARAMS.read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("profile", ["house", "smoke", "laptop", "gpu"])
def test_every_shipped_profile_is_complete(profile):
    assert load(PARAMS, profile=profile).reddit.version


def test_a_profile_lies_over_the_settings_and_an_override_over_both():
    smoke = load(PARAMS, profile="smoke", overrides=["reddit.balanced.test=0.3"]).reddit.balanced
    assert (smoke.rows_per_emotion, smoke.test, smoke.tolerance) == (8, 0.3, 0.02)


def test_an_unknown_key_is_named_with_its_line_and_the_near_one(tmp_path):
    path = edited(tmp_path, "tolerance: 0.02", "tolerence: 0.02")
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "tolerence" in text)
    with pytest.raises(
        SettingsError, match=rf"params\.yaml:{line}: reddit\.balanced\.tolerence.*did you mean tolerance"
    ):
        load(path)


def test_a_wrong_type_is_named_with_its_line_and_what_was_found(tmp_path):
    path = edited(tmp_path, "min_words: 3", "min_words: three")
    with pytest.raises(SettingsError, match=r"params\.yaml:\d+: reddit\.comments\.min_words.*found 'three'"):
        load(path)


def test_a_value_out_of_range_is_refused():
    with pytest.raises(SettingsError, match=r"reddit\.balanced\.test.*found 1\.5"):
        load(PARAMS, overrides=["reddit.balanced.test=1.5"])


def test_an_unknown_profile_lists_those_that_are_there():
    with pytest.raises(SettingsError, match="house, smoke, laptop, gpu"):
        load(PARAMS, profile="desktop")


def test_an_override_without_a_value_says_what_was_expected():
    with pytest.raises(SettingsError, match=r"dotted\.key=value"):
        load(PARAMS, overrides=["reddit"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


def test_broken_yaml_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("reddit: [")
    with pytest.raises(SettingsError, match="not valid YAML"):
        load(path)


def test_a_writer_without_its_kind_is_refused_and_not_taken_for_the_house_s():
    with pytest.raises(SettingsError, match=r"reddit\.models\.rewriter.*found 'meta-llama/Llama-3\.1-8B-Instruct'"):
        load(PARAMS, overrides=["reddit.models.rewriter=meta-llama/Llama-3.1-8B-Instruct"])


def test_splits_must_leave_rows_to_train_on():
    with pytest.raises(SettingsError, match="the rest is train"):
        load(PARAMS, overrides=["reddit.balanced.test=0.95"])


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("portraits.generators=house/epsilon", r"valid list, found 'house/epsilon'"),
        ("portraits.generators=house/epsilon", r"write \[house/epsilon\]"),
        ("a.b.c=1", "a: is not a setting; expected one of work, edits, imagenet, portraits, reddit"),
        ("foo=1", "foo: is not a setting"),
        ("reddit.balanced.test=0.95", "reddit.balanced: .*the rest is train"),
        ("portraits.perceivers=[1]", r"portraits\.perceivers\.0: .*found 1"),
        ("reddit=5", "reddit: .*found 5"),
    ],
)
def test_an_override_that_is_wrong_is_named_and_no_line_of_the_file(override, says):
    with pytest.raises(SettingsError, match=rf"^--set {re.escape(override)}: .*{says}") as told:
        load(PARAMS, overrides=["reddit.scores.bootstrap=50", override, "work.max_failure_rate=0.5"])
    assert str(told.value).startswith(f"--set {override}: ")
    assert "params.yaml" not in str(told.value)


def test_a_fault_of_the_file_is_not_blamed_on_an_override_beside_it(tmp_path):
    path = edited(tmp_path, "tolerance: 0.02", "tolerance: much")
    with pytest.raises(SettingsError, match=r"params\.yaml:\d+: reddit\.balanced\.tolerance"):
        load(path, overrides=["reddit.balanced.test=0.2"])


def test_a_table_that_the_file_lacks_has_no_line(tmp_path):
    path = edited(tmp_path, "work:", "werk:")
    with pytest.raises(SettingsError, match=r"params\.yaml: work: Field required") as told:
        load(path)
    assert "werk: is not a setting; did you mean work?" in str(told.value)


SERVED = "reddit.models.servers={m: %s}"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (SERVED % '{urls: "http://h/v1", price: {input: 1, output: 1, cahced: 1}}', "did you mean cached"),
        (SERVED % '"http://[::1/v1"', "IPv6"),
        (SERVED % '"gpu-1:8000/v1"', "is no address: expected http://host:port/v1"),
        ('reddit.models.servers={"llm:m": "http://h/v1"}', "expected the model without llm:"),
    ],
)
def test_a_server_that_could_never_answer_is_refused(override, says):
    with pytest.raises(SettingsError, match=re.escape(says)):
        load(PARAMS, overrides=[override])


def test_a_server_of_a_model_that_the_catalog_does_not_know_is_refused():
    with pytest.raises(ModelError, match=r"unknown model 'qwen2\.5-vl-7': did you mean qwen2\.5-vl-7b"):
        load(PARAMS, overrides=['portraits.servers={qwen2.5-vl-7: "http://h/v1"}'])


def test_a_profile_that_is_no_table_is_refused(tmp_path):
    path = edited(tmp_path, "profiles:\n", "profiles:\n  mine: 3\n")
    with pytest.raises(SettingsError, match=r"profiles\.mine: expected a table of settings, found 3"):
        load(path, profile="mine")
