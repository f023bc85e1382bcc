"""Read a file of settings strictly: no key twice, no number that YAML 1.1 reads otherwise, one line for a fault."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from corpusmith.errors import SettingsError

LARGEST = 1 << 20
"""Bytes of a file of settings at most."""
DEEPEST = 100
"""Tables and lists within each other at most."""
ODD = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
"""Numbers that YAML 1.1 takes for octal (017 is 15) or sexagesimal (1:30 is 90)."""

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, which reads ten times as fast, where PyYAML was built with it."""
OPENING = (
    *(yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken),
    *(yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken),
)
CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)

Lines = dict[tuple[str, ...], int]


def read(path: Path) -> tuple[dict[str, Any], Lines]:
    """The table in a file, and the line of each key by its path.

    Raises SettingsError, in one line that names the file, the line and what was expected.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read the settings {path}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise SettingsError(f"{path} is larger than {LARGEST:,} bytes: expected a file of settings")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}:{line}: is not UTF-8: expected a file of settings in UTF-8") from None
    found, lines = parse(text, str(path))
    if found is None:
        return {}, lines
    if not isinstance(found, dict):
        raise SettingsError(f"{path}:1: expected a table of settings, found {type(found).__name__}")
    return found, lines


def parse(text: str, where: str) -> tuple[Any, Lines]:
    """The value in a text, and the line of each key by its path. Raises SettingsError, which begins with ``where``."""
    try:
        _check_tokens(text)
        node = yaml.compose(text, LOADER)
        if node is None:
            return None, {}
        lines: Lines = {}
        _check(node, (), lines, where)
        return yaml.load(text, LOADER), lines
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SettingsError(_told(error, where)) from None


def with_value(text: str, path: Sequence[str], value: str) -> str:
    """The text with one value replaced, that of the key at ``path``; all else stays as it is, comments included.

    Raises SettingsError: no plain value stands there.
    """
    node = yaml.compose(text, yaml.SafeLoader)
    for part in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((held for key, held in pairs if key.value == part), None)
    if not isinstance(node, yaml.ScalarNode):
        raise SettingsError(f"{'.'.join(path)}: expected a value of its own in the file of settings: write it there")
    return f"{text[: node.start_mark.index]}{value}{text[node.end_mark.index :]}"


def _check(node: yaml.Node, path: tuple[str, ...], lines: Lines, where: str) -> None:
    """Notes the line of each key; raises SettingsError at a key that stands twice in a table, and at an odd number."""
    if isinstance(node, yaml.ScalarNode) and not node.style and ODD.fullmatch(node.value):
        at, name = f"{where}:{node.start_mark.line + 1}", ".".join(path)
        raise SettingsError(f"{at}: {name}: {node.value} would be read as another number: write it without a leading 0")
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            _check(item, (*path, str(place)), lines, where)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            named, line = (*path, str(key.value)), key.start_mark.line + 1
            if named in lines:
                raise SettingsError(f"{where}:{line}: {'.'.join(named)}: stands here again, after line {lines[named]}")
            lines[named] = line
            _check(value, named, lines, where)


def _check_tokens(text: str) -> None:
    """Raises ValueError at what would be too much to compose.

    A few aliases within each other are a file of any size, and libyaml's loader dies of tables within tables.
    """
    depth = 0
    for token in yaml.scan(text, LOADER):
        line = token.start_mark.line + 1
        if isinstance(token, yaml.AliasToken):
            raise ValueError(f"line {line} has an alias (*{token.value}): write the value itself")
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if depth > DEEPEST:
            raise ValueError(f"line {line} is nested more than {DEEPEST} deep")


def _told(error: Exception, where: str) -> str:
    """The fault of a parser in one line, with line and column where it has them."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"{where}:{mark.line + 1}, column {mark.column + 1}" if mark else where
    what = getattr(error, "problem", None) or str(error).partition("\n")[0] or type(error).__name__
    return f"{place}: is not valid YAML: {what}"
