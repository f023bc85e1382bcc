"""What is said of a portrait: the words of portraits.yaml put into one sentence, which is a prompt as well."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

ATTRIBUTES: Final = ("who", "age", "skin", "hair", "hair_colour", "glasses", "setting", "light", "framing", "pose")


@cache
def words() -> dict[str, Any]:
    """portraits.yaml: the values of each attribute and how they are said."""
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "portraits.yaml").read_text())
    return loaded


def values(attribute: str) -> tuple[str, ...]:
    """The values that an attribute of ATTRIBUTES takes, in the order of portraits.yaml."""
    if attribute == "age":
        return tuple(words()["who"]["woman"])
    return tuple(words()[attribute])


def portrait(table: pl.DataFrame) -> pl.Series:
    """The sentence for each row of emotion, degree (0–3), shown (0 or 1), word (0 or 1) and ATTRIBUTES, named prompt.

    A null attribute is not mentioned, nor is a null ``shown``: "A close-up portrait of a slightly angry young woman
    with dark skin and glasses, facing the camera, in an office, soft daylight, lowered brows and pressed lips". A null
    ``emotion`` leaves out the feeling altogether.
    """
    said = words()
    emotion = _of_two("emotion", "word", said["emotions"])
    shown = _of_two("emotion", "shown", {name: [way["words"] for way in ways] for name, ways in said["shown"].items()})
    degree = (
        pl.col("degree").cast(pl.String).replace_strict({str(k): v for k, v in said["degrees"].items()}, default="")
    )
    person = pl.coalesce(
        *(
            pl.when(pl.col("who") == who, pl.col("age") == age).then(pl.lit(name))
            for who, ages in said["who"].items()
            for age, name in ages.items()
        ),
        pl.col("who"),
        pl.lit("person"),
    )
    hair = (
        pl.when(pl.col("hair") == "bald")
        .then(pl.lit(said["hair"]["bald"]))
        .otherwise(
            pl.concat_str(
                pl.col("hair").replace_strict(said["hair"], default=None).str.strip_suffix(" hair"),
                pl.col("hair_colour").replace_strict(said["hair_colour"], default=None),
                pl.when(pl.col("hair").is_not_null() | pl.col("hair_colour").is_not_null()).then(pl.lit("hair")),
                separator=" ",
                ignore_nulls=True,
            )
        )
    )
    has = pl.concat_list(
        pl.col("skin").replace_strict(said["skin"], default=None),
        pl.when(hair != "").then(hair),
        pl.col("glasses").replace_strict({"glasses": said["glasses"]["glasses"]}, default=None),
    ).list.drop_nulls()
    joined = (
        pl.when(has.list.len() > 1)
        .then(pl.concat_str(has.list.slice(0, has.list.len() - 1).list.join(", "), pl.lit(" and "), has.list.last()))
        .otherwise(has.list.first())
    )
    subject = pl.concat_str(
        pl.when(degree != "").then(degree),
        emotion,
        person,
        pl.concat_str(pl.lit("with "), joined),
        separator=" ",
        ignore_nulls=True,
    )
    framing = pl.col("framing").replace_strict(said["framing"], default="portrait")
    article = pl.when(subject.str.contains("^[aeiou]")).then(pl.lit("an")).otherwise(pl.lit("a"))
    sentence = pl.concat_str(
        pl.concat_str(pl.lit("A"), framing, pl.lit("of"), article, subject, separator=" "),
        pl.col("pose").replace_strict(said["pose"], default=None),
        pl.col("setting").replace_strict(said["setting"], default=None),
        pl.col("light").replace_strict(said["light"], default=None),
        shown,
        separator=", ",
        ignore_nulls=True,
    )
    return table.select(sentence.alias("prompt")).to_series()


def _of_two(name: str, which: str, ways: dict[str, list[str]]) -> pl.Expr:
    return pl.coalesce(
        *(
            pl.when(pl.col(name) == value, pl.col(which) == place).then(pl.lit(way))
            for value, two in ways.items()
            for place, way in enumerate(two)
        )
    )
