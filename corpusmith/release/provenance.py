"""What a release and each of its rows was made from, how and by whom, in PROV-O as Croissant 1.1 uses it.

Croissant 1.1 recommends PROV-O (w3.org/TR/prov-o) at three levels and gives one example of each; where these do not
settle something, the plainest reading is taken:

- The dataset has ``prov:wasDerivedFrom`` (the source files), ``prov:wasGeneratedBy`` (the stages of the recipe) and
  ``prov:wasAttributedTo`` (the makers). ``prov:label``, by which the examples name activities and agents, is no term
  of PROV-O; it is taken all the same, because readers of Croissant will look for it.
- A set of records is typed ``prov:Entity`` ("RecordSet Typing"): each row is one. A column is then mapped by
  ``equivalentProperty`` to a property of that type: a parent to ``prov:wasDerivedFrom``, who made it to
  ``prov:wasAttributedTo``, and the rows within a row that it is put together from to ``prov:hadMember``.
- ``prov:used`` and ``prov:wasAssociatedWith`` are no properties of an entity but of the activity that made it. So that
  is an annotation of the row ("Data-level Provenance"), with ``prov:wasGeneratedBy``, and the plan, the prompt and the
  maker are its sub-fields.
- Values are not rewritten as the IRIs that the specification suggests: the fingerprint in a row is the ``identifier``
  of the maker in the dataset, and a parent is named by key, digest or the id that its source has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import polars as pl

from corpusmith.release.hub_terms import licence_of, page, terms
from corpusmith.release.inputs import CardText, Release, Source, Stage
from corpusmith.release.manifest import redacted

NAMESPACE: Final = "http://www.w3.org/ns/prov#"
ENTITY: Final = "prov:Entity"
GENERATION: Final = "wasGeneratedBy"
"""The name of the annotation that says how a row was made."""

Mark = tuple[str, str]
"""A property of PROV-O and the type of what it has."""

AGENT: Final = "prov:SoftwareAgent"
MAKERS: Final = ("fingerprint", "model", "writer")
USED: Final[Mapping[str, Mark]] = {
    "fingerprint": ("prov:wasAssociatedWith", AGENT),
    "plan": ("prov:used", "prov:Plan"),
    "prompt": ("prov:used", ENTITY),
}
"""What the activity that made a row has to do with, by the column that says it."""


def of_dataset(release: Release) -> dict[str, Any]:
    """The source files, the stages and the makers of a release; what there is none of is not there."""
    said = {
        "prov:wasDerivedFrom": [_source(one) for one in sorted(release.sources, key=lambda one: one.name)],
        "prov:wasGeneratedBy": [_stage(one) for one in release.text.stages],
        "prov:wasAttributedTo": [_maker(*one) for one in sorted(release.makers.items())],
    }
    return {name: held for name, held in said.items() if held}


def of_column(column: str, kind: pl.DataType, release: Release) -> Mark | None:
    """What a column of rows says of each as an entity, if anything."""
    if column in release.lineage.parts and _of_rows(kind):
        return "prov:hadMember", ENTITY
    if column in (*release.lineage.parents, *release.lineage.parts):
        return "prov:wasDerivedFrom", ENTITY
    return of_part(column)


def of_part(column: str) -> Mark | None:
    """The same of a column within one, which has no parents of its own."""
    return ("prov:wasAttributedTo", AGENT) if column in MAKERS else None


def generation(at: str, columns: Iterable[str], source: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
    """``annotation``: how each of the rows at ``at`` was made; nothing without a column that says it.

    source(column): where a column's values are.
    """
    there = set(columns)
    parts = [
        field(f"{at}/{GENERATION}/{column}", mark, source(column)) for column, mark in USED.items() if column in there
    ]
    if not parts:
        return {}
    return {
        "annotation": {
            "@type": "cr:Field",
            "@id": f"{at}/{GENERATION}",
            "name": GENERATION,
            "description": "What made it: the maker, what it was given, and the prompt where there is one.",
            "dataType": "prov:Activity",
            "equivalentProperty": f"prov:{GENERATION}",
            "subField": parts,
        }
    }


def judgement(
    at: str, column: str, columns: Iterable[str], text: CardText, source: Callable[[str], Any]
) -> dict[str, Any]:
    """``annotation`` of the label: who saw it, where a column ``judge`` says so."""
    if column != (text.seen or text.label) or "judge" not in columns:
        return {}
    return {"annotation": field(f"{at}/judge", ("prov:wasAttributedTo", AGENT), source("judge"))}


def field(at: str, mark: Mark, source: Mapping[str, Any]) -> dict[str, Any]:
    """A field of text that is there for its relation alone."""
    relation, kind = mark
    return {
        "@type": "cr:Field",
        "@id": at,
        "name": at.rpartition("/")[2],
        "dataType": ["sc:Text", kind],
        "equivalentProperty": relation,
        "source": source,
    }


def _of_rows(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)


def _source(source: Source) -> dict[str, Any]:
    return {
        "@type": ENTITY,
        "name": source.name,
        "sha256": source.sha256,
        "contentSize": f"{source.bytes} B",
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {"@type": "prov:Activity", "prov:label": stage.name, "description": stage.sentence}


def _maker(fingerprint: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """A maker: its model with revision, page and licence, by the model's page where that has no text of its own."""
    model = str(redacted(made.get("model", "")))
    licence = made.get("licence") or licence_of(model)
    said = {
        "@type": [AGENT, "sc:SoftwareApplication"],
        "identifier": fingerprint,
        "prov:label": model,
        "softwareVersion": str(made.get("revision", "")),
        "url": page(model),
        "license": licence and (terms(licence) or page(model) or licence),
    }
    return {name: held for name, held in said.items() if held}
