"""The release as Croissant 1.1 (docs/croissant-spec-1.1.md of mlcommons/croissant), which any loader of it can read.

Of what the specification requires, three things are not there: ``url`` and ``datePublished``, which a release cannot
know (it goes to several places, and the same inputs give the same bytes), and ``creator``, which is who publishes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.release import provenance
from corpusmith.release.columns import IMAGE
from corpusmith.release.hub_terms import terms
from corpusmith.release.inputs import CardText, Release
from corpusmith.release.provenance import Mark

VERSION: Final = "http://mlcommons.org/croissant/1.1"
CONFIGS = ("data", "rejected", "scores")

_OF_CROISSANT = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract"),
    *("field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath"),
    *("key", "md5", "parentField", "path", "readLines", "recordSet", "references", "regex", "repeated", "replace"),
    *("samplingRate", "sdVersion", "separator", "source", "subField", "transform", "unArchive"),
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "prov": provenance.NAMESPACE,
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{name: f"cr:{name}" for name in _OF_CROISSANT},
}
"""That of the specification's first appendix, and what mlcroissant (1.1) expects besides: schema.org is https there."""


def write(folder: Path, release: Release, shards: Mapping[str, str]) -> None:
    """croissant.json: a file object for each shard with its digest, a file set and a record set for each config."""
    text = json.dumps(metadata(folder, release, shards), indent=2, ensure_ascii=False)
    (folder / "croissant.json").write_text(text + "\n")


def metadata(folder: Path, release: Release, shards: Mapping[str, str]) -> dict[str, Any]:
    """The Croissant description of the shards (path: SHA-256) that lie in a folder."""
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": release.corpus,
        "description": release.text.tagline,
        "version": release.version,
        "citeAs": f"{release.text.title}, version {release.version}, made with corpusmith.",
        "license": _licence(release.text),
        "inLanguage": list(release.text.language),
        "keywords": list(release.text.tags),
        **provenance.of_dataset(release),
        "distribution": [
            *(_file(folder, name, digest) for name, digest in shards.items()),
            *(_file_set(name) for name in CONFIGS),
        ],
        "recordSet": [_records(name, folder, release) for name in CONFIGS],
    }


def _licence(text: CardText) -> list[Any]:
    """The address of the licence, where it has one, and what the card says of it in a sentence."""
    address = terms(text.licence)
    sentence = text.licence_short or (text.licence if address is None else "")
    return [
        *([address] if address else []),
        *([{"@type": "sc:CreativeWork", "name": sentence}] if sentence else []),
    ]


def _file(folder: Path, name: str, digest: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name.rpartition("/")[2],
        "contentUrl": name,
        "contentSize": f"{(folder / name).stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _file_set(name: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{name}-shards",
        "name": f"{name}-shards",
        "encodingFormat": "application/x-parquet",
        "includes": f"{name}/*.parquet",
    }


def _records(name: str, folder: Path, release: Release) -> dict[str, Any]:
    """A set of records: a field for each column. Those of rows are entities, which have a key and a generation."""
    schema = pl.scan_parquet(sorted((folder / name).iterdir()), glob=False).collect_schema()
    said: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name}
    if "key" in schema:
        said |= {"dataType": provenance.ENTITY, "key": {"@id": f"{name}/key"}}
        said |= provenance.generation(name, schema, lambda column: _source(name, column))
    fields = [_column(name, column, kind, schema, release) for column, kind in schema.items()]
    return {**said, "field": fields}


def _column(records: str, column: str, kind: Any, schema: Iterable[str], release: Release) -> dict[str, Any]:
    """The field of a column, with what it says of the rows as entities where they are."""
    is_entity, at = "key" in schema, f"{records}/{column}"
    mark = provenance.of_column(column, kind, release) if is_entity else None
    said = _field(at, kind, _source(records, column), mark)
    if sentence := release.text.columns.get(column):
        said["description"] = sentence
    if is_entity:
        said |= provenance.judgement(at, column, schema, release.text, lambda name: _source(records, name))
    return said


def _field(at: str, kind: Any, source: dict[str, Any], mark: Mark | None = None) -> dict[str, Any]:
    """A field: an image by its bytes, a struct by a sub-field for each of its parts, a list as an array."""
    is_list = isinstance(kind, pl.List)
    inner = kind.inner if is_list else kind
    said: dict[str, Any] = {"@type": "cr:Field", "@id": at, "name": at.rpartition("/")[2]}
    types = [] if isinstance(inner, pl.Struct) and inner != IMAGE else [_kind(inner)]
    if mark:
        relation, semantic = mark
        types, said["equivalentProperty"] = [*types, semantic], relation
    if types:
        said["dataType"] = types[0] if len(types) == 1 else types
    if is_list:
        said["isArray"] = True
    if inner == IMAGE:
        return {**said, "source": _within(source, "bytes")}
    if isinstance(inner, pl.Struct):
        return {**said, **_parts(at, inner, source, is_list, mark)}
    return {**said, "source": source}


def _parts(at: str, kind: pl.Struct, source: dict[str, Any], in_list: bool, mark: Mark | None) -> dict[str, Any]:
    """``subField`` of a struct; parts that are rows themselves say how they were made, as rows do.

    ``repeated`` is what Croissant had before ``isArray``: mlcroissant (1.1.1) opens the images of a list only with it.
    """
    fields = []
    for part in kind.fields:
        of_it = provenance.of_part(part.name) if mark else None
        said = _field(f"{at}/{part.name}", part.dtype, _within(source, part.name), of_it)
        fields.append({**said, "repeated": True} if in_list and part.dtype == IMAGE else said)
    made = [part.name for part in kind.fields] if mark else []
    return {"subField": fields, **provenance.generation(at, made, lambda name: _within(source, name))}


def _source(records: str, column: str) -> dict[str, Any]:
    return {"fileSet": {"@id": f"{records}-shards"}, "extract": {"column": column}}


def _within(source: dict[str, Any], part: str) -> dict[str, Any]:
    """The same source, one level deeper."""
    above = source.get("transform", {}).get("jsonPath")
    return {**source, "transform": {"jsonPath": f"{above}.{part}" if above else part}}


def _kind(kind: Any) -> str:
    if kind == IMAGE:
        return "sc:ImageObject"
    if kind.is_integer():
        return "sc:Integer"
    if kind.is_float():
        return "sc:Float"
    return "sc:Boolean" if kind == pl.Boolean else "sc:Text"
