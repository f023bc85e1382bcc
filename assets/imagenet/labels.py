"""Which class a label of a dataset means: wnids, names, or indexes, and never numbers of another order."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from corpusmith.assets.imagenet.classes import COUNT, WNID, check_order, few, plain, table
from corpusmith.errors import SourceError

COLUMNS: Final = ("wnid", "synset", "label", "labels", "class", "fine_label")
"""What a column of labels is called, the surest first."""

MOST: Final = 0.9
"""The share of names at their places by which a list of all classes is known."""

Reader = Callable[[Any], str | None]


def column_of(features: Any, source: str) -> str:
    """The column of labels of a dataset: one of COLUMNS, or the only ClassLabel. Raises SourceError."""
    import datasets

    of_classes = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    named = [name for name in COLUMNS if name in features]
    if named or len(of_classes) == 1:
        return str((named or of_classes)[0])
    raise SourceError(
        f"the dataset {source!r} has no column of labels, but {', '.join(features)}: expected one called "
        f"{' or '.join(COLUMNS)}"
    )


def reader(feature: Any, source: str, column: str) -> Reader:
    """A function from a label of a dataset to its wnid; None of one that is missing (-1, as test splits have it).

    Raises SourceError for names that are no classes, and for a list of all 1,000 in another order than that of wnids.
    """
    import datasets

    said_by = f"{source}, column {column}"
    if isinstance(feature, datasets.ClassLabel):
        wnids = of_names(feature.names, said_by)
        return lambda label: None if label is None or label < 0 else wnids[label]
    if is_number(feature):
        return lambda label: _of_index(label, said_by)
    if getattr(feature, "dtype", "") in ("string", "large_string"):
        return lambda label: of_names([label], said_by)[0] if label else None
    raise SourceError(f"{said_by} is of the type {feature}: expected class labels, indexes 0 to {COUNT - 1}, or wnids")


def is_number(feature: Any) -> bool:
    """Whether a column of labels holds bare numbers."""
    return not hasattr(feature, "names") and str(getattr(feature, "dtype", "")).startswith(("int", "uint"))


def of_names(names: Sequence[str], said_by: str) -> list[str]:
    """The wnid of each name: a wnid, a class's name, one of its synonyms or all of them.

    A list of all 1,000 is known by nearly all of its names, since lists differ in some; "0" to "999" is one, too.
    Raises SourceError for names of no class or of several, and for a list of all 1,000 in another order than that of
    wnids.
    """
    order = table()["wnid"].to_list()
    meant = _meanings()
    if len(names) == COUNT:
        there = [wnid in meant.get(plain(name), ()) for name, wnid in zip(names, order, strict=True)]
        if sum(there) >= MOST * COUNT or list(names) == [str(index) for index in range(COUNT)]:
            return order
        check_order([meant.get(plain(name), (name,))[0] for name in names], said_by)
    found = []
    for name in names:
        wnids = meant.get(plain(name), ())
        if len(wnids) != 1:
            raise SourceError(_which(name, wnids, said_by))
        found.append(wnids[0])
    return found


@cache
def _meanings() -> dict[str, tuple[str, ...]]:
    """The wnids that each word may mean."""
    meant: dict[str, tuple[str, ...]] = {}
    for row in table().iter_rows(named=True):
        words = (row["wnid"], row["name"], row["synonyms"], *row["synonyms"].split(", "))
        for word in dict.fromkeys(map(plain, words)):
            meant[word] = (*meant.get(word, ()), row["wnid"])
    return meant


def _of_index(label: int | None, said_by: str) -> str | None:
    if label is None or label == -1:
        return None
    if not 0 <= label < COUNT:
        raise SourceError(
            f"{said_by} has the label {label}: expected indexes from 0 to {COUNT - 1}. If its labels are from 1 to "
            f"{COUNT:,} they are those of the ILSVRC devkit, which are not in the order of wnids: by them every image "
            "would get the label of another class. Use a column of wnids"
        )
    return str(table()["wnid"][label])


def _which(name: str, wnids: Sequence[str], said_by: str) -> str:
    if wnids:
        return f"{said_by}: {name!r} may be {' or '.join(wnids)}: name classes by their wnids"
    if WNID.fullmatch(name):
        return f"{said_by}: {name} is none of ImageNet's {COUNT:,} classes"
    known = {plain(word): word for word in table()["name"]}
    near = [known[word] for word in difflib.get_close_matches(plain(name), list(known), n=3, cutoff=0)]
    return f"{said_by}: {name!r} is none of ImageNet's classes; the nearest are {few(near)}"
