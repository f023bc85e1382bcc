"""The release as Croissant metadata (docs.mlcommons.org/croissant), so that any Croissant loader can read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from corpusmith.release.columns import IMAGE
from corpusmith.release.inputs import Release

CONFIGS = ("data", "rejected", "scores")

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write(folder: Path, release: Release, shards: Mapping[str, str]) -> None:
    """croissant.json: a file object for each shard with its digest, a file set and a record set for each config."""
    text = json.dumps(metadata(folder, release, shards), indent=2, ensure_ascii=False)
    (folder / "croissant.json").write_text(text + "\n")


def metadata(folder: Path, release: Release, shards: Mapping[str, str]) -> dict[str, Any]:
    """The Croissant description of the shards (path: SHA-256) that lie in a folder."""
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": release.corpus,
        "description": release.text.tagline,
        "version": release.version,
        "citeAs": f"{release.text.title}, version {release.version}, made with corpusmith.",
        "license": release.text.licence_short,
        "inLanguage": list(release.text.language),
        "keywords": list(release.text.tags),
        "distribution": [
            *(_file(folder, name, digest) for name, digest in shards.items()),
            *(_file_set(name) for name in CONFIGS),
        ],
        "recordSet": [_records(name, folder, release) for name in CONFIGS],
    }


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
    schema = pl.scan_parquet(sorted((folder / name).iterdir()), glob=False).collect_schema()
    fields = [_field(name, column, kind, release) for column, kind in schema.items()]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _field(records: str, column: str, kind: Any, release: Release) -> dict[str, Any]:
    source = {"fileSet": {"@id": f"{records}-shards"}, "extract": {"column": column}}
    said = {"description": release.text.columns.get(column, "")}
    if kind == IMAGE:
        bytes_of = {**source, "transform": {"jsonPath": "bytes"}}
        return {**_named(f"{records}/{column}", "sc:ImageObject"), **said, "source": bytes_of}
    inner = kind.inner if isinstance(kind, pl.List) else kind
    repeated = {"repeated": True} if isinstance(kind, pl.List) else {}
    if isinstance(inner, pl.Struct):
        parts = [
            {
                **_named(f"{records}/{column}/{part.name}", _kind(part.dtype)),
                "source": {**source, "transform": {"jsonPath": part.name}},
            }
            for part in inner.fields
        ]
        return {
            "@type": "cr:Field",
            "@id": f"{records}/{column}",
            "name": column,
            **said,
            **repeated,
            "subField": parts,
        }
    return {**_named(f"{records}/{column}", _kind(inner)), **said, **repeated, "source": source}


def _named(field: str, kind: str) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": field, "name": field.rpartition("/")[2], "dataType": kind}


def _kind(kind: Any) -> str:
    if kind.is_integer():
        return "sc:Integer"
    if kind.is_float():
        return "sc:Float"
    return "sc:Boolean" if kind == pl.Boolean else "sc:Text"
