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


def test_nested_too_deep_is_one_line(tmp_path: Path) -> None:
    assert "is not valid YAML" in fault(tmp_path, b"[" * 5_000)


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
