"""Write many texts at once from a grammar of phrases, each drawn by its own seed, without a Python step for any one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from corpusmith.work.draws import STEP, Seeds, below
from corpusmith.yaml_file import LOADER

Phrases = Mapping[str, Iterable[str]]

SLOT = re.compile(r"\{(\w+)\}")


def phrases(text: str) -> dict[str, Any]:
    """A YAML table whose leaves are phrases, one a line; ``~`` is an empty one and ``¶`` a new paragraph."""

    def read(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: read(inner) for name, inner in value.items()}
        return ["" if line == "~" else line.replace("¶", "\n\n") for line in value.splitlines()]

    return {name: read(value) for name, value in yaml.load(text, LOADER).items()}


class Grammar:
    """Phrases with slots, ready to be filled; ``{slot}`` is a phrase of that name, ``{Slot}`` the same with a capital.

    A row's topic has phrases of its own, which go before the common ones. Raises KeyError for a slot without phrases.
    """

    def __init__(self, common: Phrases, topics: Mapping[str, Phrases]) -> None:
        self.topics = tuple(topics)
        self._words: dict[str, int] = {}
        self._symbols: dict[str, int] = {}
        self._phrases: list[list[int]] = []
        tables = [{**common, **topic} for topic in topics.values()]
        for name in dict.fromkeys([*common, *(name for topic in topics.values() for name in topic)]):
            self._number(name)
        first: list[list[int]] = []
        many: list[list[int]] = []
        done = 0
        while done < len(self._symbols):  # reading a phrase may add symbols
            name = list(self._symbols)[done]
            shared: dict[int, tuple[int, int]] = {}
            spans = [self._add(name, table, shared) for table in tables]
            first.append([span[0] for span in spans])
            many.append([span[1] for span in spans])
            done += 1
        self._first, self._many = np.array(first).T, np.array(many).T  # (topics, symbols)
        self._length = np.array([len(phrase) for phrase in self._phrases])
        self._start = np.cumsum(self._length) - self._length
        self._tokens = np.concatenate([np.array(phrase, dtype=np.int64) for phrase in self._phrases])
        self._literals = pa.array(list(self._words), pa.string())

    def symbol(self, name: str) -> int:
        """The number of a slot; KeyError for one that nothing names."""
        return self._symbols[name]

    def write(self, symbols: npt.ArrayLike, topics: npt.NDArray[np.int64], seeds: Seeds) -> pa.StringArray:
        """One text a row: its symbol, filled until no slot is left; all of shape (n,), the same for the same seeds."""
        tokens = -1 - np.broadcast_to(np.asarray(symbols, dtype=np.int64), seeds.shape)
        rows = np.arange(len(seeds))
        depth = 0
        while (slots := np.flatnonzero(tokens < 0)).size:
            depth += 1
            row, symbol = rows[slots], -1 - tokens[slots]
            place = slots - np.searchsorted(rows, row)
            drawn = seeds[row] + STEP * (64 * place + depth).astype(np.uint64)
            topic = topics[row]
            phrase = self._first[topic, symbol] + below(drawn, self._many[topic, symbol])
            lengths = np.ones(len(tokens), dtype=np.int64)
            lengths[slots] = self._length[phrase]
            filled = np.repeat(tokens < 0, lengths)
            tokens, rows = np.repeat(tokens, lengths), np.repeat(rows, lengths)
            tokens[filled] = self._tokens[_ranges(self._start[phrase], self._length[phrase])]
        offsets = np.searchsorted(rows, np.arange(len(seeds) + 1)).astype(np.int32)
        return pc.binary_join(pa.ListArray.from_arrays(offsets, self._literals.take(tokens)), "")

    def _add(self, name: str, table: Phrases, shared: dict[int, tuple[int, int]]) -> tuple[int, int]:
        """Where the phrases of a slot begin and how many there are; topics with the same list share it."""
        small = name[0].lower() + name[1:]
        capital = name not in table
        if capital and small not in table:
            raise KeyError(f"the slot {{{name}}} has no phrases; known are {', '.join(sorted(table))}")
        found = table[small] if capital else table[name]
        if id(found) not in shared:
            shared[id(found)] = (len(self._phrases), len(list(found)))
            self._phrases += [self._read(_capital(phrase) if capital else phrase) for phrase in found]
        return shared[id(found)]

    def _number(self, name: str) -> int:
        return self._symbols.setdefault(name, len(self._symbols))

    def _read(self, phrase: str) -> list[int]:
        """A phrase as numbers: of words from 0 up, of slots from -1 down."""
        parts = SLOT.split(phrase)
        numbers = [
            -1 - self._number(part) if i % 2 else self._words.setdefault(part, len(self._words))
            for i, part in enumerate(parts)
        ]
        return [number for number, part in zip(numbers, parts, strict=True) if part]


def _capital(phrase: str) -> str:
    at = 1 if phrase.startswith("{") else 0
    return phrase[:at] + phrase[at : at + 1].upper() + phrase[at + 1 :]


def _ranges(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """start, start + 1, … of each length, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if ends.size else 0) + np.repeat(starts - ends + lengths, lengths)
