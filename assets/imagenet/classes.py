"""The 1,000 classes of ImageNet, as they are numbered, named and said; those of a corpus, templates and descriptions.

``python -m corpusmith.assets.imagenet.classes FOLDER`` writes their table (corpusmith.ingest.imagenet) from the
reference lists in a folder. NOTICE beside this file says whose words they are.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.drawings import objects
from corpusmith.errors import SettingsError, SourceError
from corpusmith.ingest.imagenet import CLASSES, TABLE
from corpusmith.ingest.imagenet import classes as table

HERE: Final = Path(__file__).parent
COUNT: Final = 1_000
EVERY: Final = 10
"""``hundred`` is every tenth class: ImageNet-G has a subset of 100 and does not say which."""
WNID: Final = re.compile(r"n\d{8}")
SHOWN: Final = 5
"""How many of what is wrong are named in an error."""

Setting = str | list[str]


def chosen(setting: Setting) -> pl.DataFrame:
    """The classes that a setting asks for, in order (CLASSES): "all", "hundred", "drawn" (those that can be drawn), or
    a list of wnids.

    Raises SettingsError for what is no wnid of the 1,000, or is named more than once.
    """
    known = table()
    if setting == "all":
        return known
    if setting == "hundred":
        return known.filter(pl.col("index") % EVERY == 0)
    if setting == "drawn":
        wanted = [kind["wnid"] for kind in objects.words()["classes"].values()]
    else:
        wanted = [setting] if isinstance(setting, str) else setting
    there = set(known["wnid"])
    if unknown := [wnid for wnid in wanted if wnid not in there]:
        raise SettingsError("imagenet.classes: " + "; ".join(_no_wnid(word) for word in unknown[:SHOWN]))
    if twice := [wnid for wnid, times in Counter(wanted).items() if times > 1]:
        raise SettingsError(f"imagenet.classes: {', '.join(twice[:SHOWN])} is named more than once")
    return known.filter(pl.col("wnid").is_in(wanted))


def asked_for(settings: ImageNet) -> pl.DataFrame:
    """The classes that the settings ask for, in order (CLASSES); null: all for a source, else those that are drawn."""
    return chosen(settings.classes or ("all" if settings.source else "drawn"))


def templates(setting: Setting) -> tuple[str, ...]:
    """Sentences with one {} each, for the class: CLIP's 80, or those of the setting. Raises SettingsError."""
    if setting == "clip":
        lines = (HERE / "templates.txt").read_text().splitlines()
        return tuple(line for line in lines if line and not line.startswith("#"))
    own = [setting] if isinstance(setting, str) else setting
    for template in own:
        if template.count("{}") != 1:
            raise SettingsError(
                f"imagenet.templates: {template!r}: expected {{}} once, where the class goes, as in a photo of a {{}}."
            )
    return tuple(own)


def check_names(names: Mapping[str, str]) -> None:
    """Raises SettingsError for a name of what is no wnid of the 1,000."""
    there = set(table()["wnid"])
    if unknown := [wnid for wnid in names if wnid not in there]:
        raise SettingsError("imagenet.names: " + "; ".join(_no_wnid(word) for word in unknown[:SHOWN]))


def descriptions(path: Path, classes: pl.DataFrame) -> dict[str, list[str]]:
    """The sentences of each class, by its name, from JSON of such by what that file calls it (CuPL's form).

    A class is found by its wnid or name, else by a synonym; so two that CLIP calls alike share what is said of both.
    Raises SourceError: no such file, one of another form, or one that lacks a class.
    """
    said = _sentences(path)
    found: dict[str, list[str]] = {}
    lacking = []
    for row in classes.iter_rows(named=True):
        words = map(plain, (row["wnid"], row["name"], *row["synonyms"].split(", ")))
        sentences = next((said[word] for word in words if word in said), None)
        if sentences is None:
            lacking.append(f"{row['name']} ({row['wnid']})")
        else:
            found[row["name"]] = sentences
    if lacking:
        raise SourceError(
            f"{path} describes {len(found):,} of {classes.height:,} classes; it lacks {few(lacking)}: add each under "
            "its name or a synonym, or leave the class out of imagenet.classes"
        )
    return found


def made_from(folder: Path) -> pl.DataFrame:
    """CLASSES from reference lists: imagenet_class_index.json (wnids by index), LOC_synset_mapping.txt (the words of
    each) and clip_imagenet_classes.json (CLIP's names, in order).

    Raises SourceError: one is missing, of another form or order, or they are not of the same classes.
    """
    wnids = in_order(folder / "imagenet_class_index.json")
    mapping = folder / "LOC_synset_mapping.txt"
    if in_order(mapping) != wnids:
        raise SourceError(f"{mapping} has other wnids than imagenet_class_index.json: expected lists of the same set")
    synonyms = [line.partition(" ")[2].strip() for line in _text(mapping).splitlines() if line.strip()]
    path = folder / "clip_imagenet_classes.json"
    names = _json(path)
    if not isinstance(names, list) or len(names) != COUNT or not all(isinstance(name, str) for name in names):
        raise SourceError(f"{path}: expected a list of {COUNT:,} names, in the order of wnids")
    called = named(names, synonyms, wnids)
    words = [
        said if name == own or name in said.split(", ") else f"{said}, {name}"
        for name, own, said in zip(names, called, synonyms, strict=True)
    ]
    return pl.DataFrame({"index": range(COUNT), "wnid": wnids, "name": called, "synonyms": words}, CLASSES)


def named(names: Sequence[str], synonyms: Sequence[str], wnids: Sequence[str]) -> list[str]:
    """The names, each unique: of those that stand twice the synset's own first word, with another of its words, or the
    wnid, in brackets where that is no other either.
    """
    words = [said.split(", ") for said in synonyms]
    own = [word[0] if names.count(name) > 1 else name for name, word in zip(names, words, strict=True)]
    found = [
        f"{name} ({word[1]})" if own.count(name) > 1 and len(word) > 1 else name
        for name, word in zip(own, words, strict=True)
    ]
    return [f"{name} ({wnid})" if found.count(name) > 1 else name for name, wnid in zip(found, wnids, strict=True)]


def in_order(path: Path) -> list[str]:
    """The wnids of a list of classes, by index: JSON of [wnid, name] by "0" to "999", or lines that begin with a wnid.

    Raises SourceError for another form, and for the order of the ILSVRC devkit, by which every image is mislabelled.
    """
    if path.suffix != ".json":
        wnids = [line.split()[0] for line in _text(path).splitlines() if line.strip()]
    else:
        said = _json(path)
        if not isinstance(said, dict) or not all(key.isdecimal() and _is_pair(two) for key, two in said.items()):
            raise SourceError(f'{path}: expected a table such as {{"0": ["n01440764", "tench"], …}}')
        numbers = sorted(map(int, said))
        wnids = [said[str(number)][0] for number in numbers if str(number) in said]
        check_order(wnids, str(path))
        if numbers != list(range(COUNT)):
            raise SourceError(
                f"{path} is numbered from {min(numbers, default='nothing')} to {max(numbers, default='nothing')}, "
                f'expected "0" to "{COUNT - 1}": by it every image has the label of another class'
            )
    check_order(wnids, str(path))
    if len(set(wnids)) != COUNT or len(wnids) != COUNT or not all(map(WNID.fullmatch, wnids)):
        raise SourceError(f"{path}: expected {COUNT:,} different wnids such as n01440764, found {len(set(wnids)):,}")
    return wnids


def check_order(wnids: Sequence[str], said_by: str) -> None:
    """Raises SourceError for classes that are numbered in another order than that of their wnids, as in the devkit."""
    right = sorted(wnids)
    wrong = [place for place, wnid in enumerate(wnids) if wnid != right[place]]
    if not wrong:
        return
    first = wrong[0]
    raise SourceError(
        f"{said_by} numbers its classes in another order than that of their wnids: class {first} is {wnids[first]}, "
        f"expected {right[first]}. That is how the ILSVRC devkit (map_clsloc.txt, meta.mat, "
        "ILSVRC2012_validation_ground_truth.txt) numbers them; by the numbers that classifiers and datasets use, "
        f"{len(wrong):,} of {len(wnids):,} classes would get the label of another. Use the order of wnids "
        "(LOC_synset_mapping.txt, torchvision), or say the wnid of each image"
    )


def plain(name: str) -> str:
    """A name as it is compared."""
    return name.strip().lower().replace("_", " ")


def few(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _no_wnid(word: str) -> str:
    """What is wrong with a word that should be a wnid, and what may be meant."""
    known = table()
    if word.isdecimal():
        which = f"; class {word} by index is {known['wnid'][int(word)]}" if int(word) < COUNT else ""
        return (
            f"{word} is a number: lists of ImageNet number its classes differently (the ILSVRC devkit from 1, and not "
            f"in the order of wnids), so name a class by its wnid{which}"
        )
    if WNID.fullmatch(word):
        near = difflib.get_close_matches(word, known["wnid"].to_list(), n=3, cutoff=0)
        return f"{word} is none of ImageNet's {COUNT:,}; the nearest are {', '.join(_both(near, 'wnid'))}"
    near = difflib.get_close_matches(plain(word), known["name"].str.to_lowercase().to_list(), n=3, cutoff=0)
    exact = known.filter(pl.col("name").str.to_lowercase() == plain(word))
    if exact.height:
        return f"{word} is a name: write its wnid, {exact['wnid'][0]}"
    return f"{word} is no wnid such as n01440764; the nearest names are {', '.join(_both(near, 'name'))}"


def _both(values: Iterable[str], column: str) -> list[str]:
    known = table().with_columns(pl.col("name").alias("shown"), pl.col(column).str.to_lowercase())
    rows = {row[column]: row for row in known.iter_rows(named=True)}
    return [f"{rows[value]['wnid']} ({rows[value]['shown']})" for value in values]


def _sentences(path: Path) -> dict[str, list[str]]:
    said = _json(path)
    if not isinstance(said, Mapping):
        raise SourceError(
            f"{path}: expected a table of sentences by the name of a class, found a {type(said).__name__}"
        )
    for name, sentences in said.items():
        if not isinstance(sentences, list) or not sentences or not all(_is_text(one) for one in sentences):
            raise SourceError(f"{path}: {name!r}: expected a list of sentences, found {str(sentences)[:60]!r}")
    return {plain(name): sentences for name, sentences in said.items()}


def _json(path: Path) -> Any:
    text = _text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is no JSON ({error})") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SourceError(f"cannot read {path}: {why}") from error


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(one, str) for one in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


if __name__ == "__main__":
    made_from(Path(sys.argv[1])).write_csv(TABLE)
