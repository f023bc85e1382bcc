"""A file of settings is read as it is meant, or not at all; a fault is one line that names the place."""

from pathlib import Path

import pytest

from corpusmith import settings, yaml_file
from corpusmith.errors import SettingsError


def fault(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "params.yaml"
    path.write_bytes(data)
    with pytest.raises(SettingsError) as told:
        yaml_file.read(path)
    said = str(told.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said.removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", ":4: a.b: stands here again, after line 2"),
        ("a: 017\n", ":1: a: 017 would be read as another number"),
        ("a: 1:30\n", ":1: a: 1:30 would be read as another number"),
        ("a:\n\tb: 1\n", ":2, column 1: is not valid YAML"),
        ("a: {b: 1\n", "is not valid YAML"),
        ("a: [1, 2\n", "is not valid YAML"),
        ("- 1\n", ":1: expected a table of settings, found list"),
        ("a: &x [1]\nb: [*x, *x]\n", "has an alias"),
    ],
)
def test_a_fault_is_one_line_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    assert says in fault(tmp_path, text.encode())


def test_what_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    assert fault(tmp_path, b"a: 1\nb: caf\xe9\n").startswith(":2: is not UTF-8")


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    assert "is larger than" in fault(tmp_path, b"#" * (yaml_file.LARGEST + 1))


@pytest.mark.parametrize("data", [b"[" * 5_000, b"[" * 200_000 + b"]" * 200_000, b"- " * 5_000, b"? " * 5_000])
def test_nested_too_deep_is_one_line(tmp_path: Path, data: bytes) -> None:
    assert "is not valid YAML" in fault(tmp_path, data)


def test_quoted_numbers_and_equal_keys_of_two_tables_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: {n: '017'}\nb: {n: 0}\nc: [{n: 1}, {n: 0.5}]\n")
    found, lines = yaml_file.read(path)
    assert found == {"a": {"n": "017"}, "b": {"n": 0}, "c": [{"n": 1}, {"n": 0.5}]}
    assert lines["b", "n"] == 2


@pytest.mark.parametrize("override", ["a.b=[1", "a.b=017", "a.b={x: 1, x: 2}"])
def test_an_override_that_cannot_be_read_is_one_line(override: str) -> None:
    with pytest.raises(SettingsError) as told:
        settings.load({}, overrides=[override])
    assert str(told.value).startswith(f"--set {override}")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nreddit:\n  # of the release\n  version: 1.0.0   # never changes\n  rows: 3\nedits:\n  version: 1.0.0\n",
        "reddit: {rows: 3, version: 1.0.0}   # in one line\nedits: {version: 1.0.0}\n",
        'edits:\r\n  version: 1.0.0\r\nreddit:\r\n  version: "1.0.0"\r\n',
        "profiles:\n  smoke:\n    reddit:\n      version: 1.0.0\nreddit:\n  version: 1.0.0",
        "title: Grüße 🌍\nreddit:\n  version: '1.0.0'  # é\n",
    ],
)
def test_one_value_is_replaced_and_every_other_character_stays(text: str) -> None:
    new = yaml_file.with_value(text, ("reddit", "version"), "1.10.0")
    before, after = (yaml_file.parse(each, "params.yaml")[0] for each in (text, new))
    assert after == before | {"reddit": before["reddit"] | {"version": "1.10.0"}}
    assert len(new.splitlines()) == len(text.splitlines())
    changed = [(old, now) for old, now in zip(text.splitlines(), new.splitlines(), strict=True) if old != now]
    assert len(changed) == 1
    assert changed[0][0].partition("#")[2] == changed[0][1].partition("#")[2]


@pytest.mark.parametrize("text", ["edits:\n  version: 1.0.0\n", "reddit: 3\n", "reddit:\n  version: [1, 0]\n", ""])
def test_a_value_that_is_not_there_is_not_replaced(text: str) -> None:
    with pytest.raises(SettingsError, match=r"reddit\.version: expected a value of its own"):
        yaml_file.with_value(text, ("reddit", "version"), "1.10.0")
