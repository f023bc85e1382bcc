"""Croissant 1.1 of a release: valid, loaded by others with the right values, and followed from a row to its origin."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from four_corpora import releases
from PIL import Image

from corpusmith.release.columns import IMAGE
from corpusmith.release.inputs import Release
from corpusmith.release.write import write_release

CORPORA = ("reddit", "portraits", "edits", "imagenet")


@pytest.fixture(scope="module")
def given() -> dict[str, Release]:
    return releases()


@pytest.fixture(scope="module")
def home(given: dict[str, Release], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four releases by name; tests do not write in them."""
    place = tmp_path_factory.mktemp("four")
    for name, release in given.items():
        write_release(release, place / name)
    return place


def described(release: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((release / "croissant.json").read_text())
    return said


def fields(said: dict[str, Any], records: str = "data") -> dict[str, dict[str, Any]]:
    return {held["name"]: held for each in said["recordSet"] if each["@id"] == records for held in each["field"]}


def columns(said: dict[str, Any], relation: str) -> set[str]:
    """The columns that say a relation of PROV-O of each row."""
    return {name for name, held in fields(said).items() if held.get("equivalentProperty") == relation}


@pytest.mark.parametrize("corpus", CORPORA)
def test_mlcroissant_finds_no_error_in_it_and_misses_nothing_but_a_date(home: Path, corpus: str) -> None:
    import mlcroissant

    metadata = mlcroissant.Dataset(jsonld=home / corpus / "croissant.json").metadata
    assert metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert not metadata.issues.errors
    assert all("datePublished" in warning for warning in metadata.issues.warnings)  # a release has no time in it


@pytest.mark.parametrize(
    ("corpus", "records"),
    [
        *((corpus, "data") for corpus in CORPORA),
        ("reddit", "rejected"),
        ("portraits", "rejected"),
        ("edits", "rejected"),  # without rows
        ("reddit", "scores"),
    ],
)
def test_mlcroissant_reads_every_value_of_every_column(home: Path, corpus: str, records: str) -> None:
    import mlcroissant

    rows = pl.read_parquet(sorted((home / corpus / records).glob("*.parquet")))
    read = list(mlcroissant.Dataset(jsonld=home / corpus / "croissant.json").records(record_set=records))
    assert len(read) == rows.height
    found = {json.dumps(plain(record, records), sort_keys=True) for record in read}
    assert found == {
        json.dumps(expected(row, rows.schema), sort_keys=True, default=str) for row in rows.iter_rows(named=True)
    }


def plain(value: Any, at: str) -> Any:
    """What mlcroissant read: columns by name instead of by path, text instead of its bytes, and pixels of images."""
    if isinstance(value, dict):
        return {name.removeprefix(f"{at}/"): plain(held, name) for name, held in value.items()}
    if isinstance(value, list):
        return [plain(held, at) for held in value]
    if isinstance(value, Image.Image):
        return pixels(value)
    return value.decode() if isinstance(value, bytes) else value


def expected(row: dict[str, Any], schema: Any) -> dict[str, Any]:
    """A row as it is read."""
    return {name: as_read(value, schema[name]) for name, value in row.items()}


def as_read(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if kind == IMAGE:
        return pixels(Image.open(io.BytesIO(value["bytes"])))
    if isinstance(kind, pl.Struct):
        return {part.name: as_read(value[part.name], part.dtype) for part in kind.fields}
    return [as_read(held, kind.inner) for held in value] if isinstance(kind, pl.List) else value


def pixels(image: Image.Image) -> str:
    return f"{image.mode} {np.asarray(image).tobytes().hex()}"


def test_it_has_the_digest_of_each_shard_of_the_manifest(release_dir: Path) -> None:
    said = described(release_dir)
    files = json.loads((release_dir / "manifest.json").read_text())["files"]
    shards = {held["@id"]: held["sha256"] for held in said["distribution"] if held["@type"] == "cr:FileObject"}
    assert shards == {name: held["sha256"] for name, held in files.items() if name.endswith(".parquet")}


@pytest.mark.parametrize(
    ("corpus", "parents"),
    [
        ("reddit", {"source_key"}),
        ("portraits", set()),
        ("edits", {"scene", "base_sha256"}),
        ("imagenet", {"source", "source_sha256"}),
    ],
)
def test_what_a_row_was_made_from_is_in_the_columns_that_say_so(home: Path, corpus: str, parents: set[str]) -> None:
    said = described(home / corpus)
    assert columns(said, "prov:wasDerivedFrom") == parents
    records = next(each for each in said["recordSet"] if each["@id"] == "data")
    assert records["dataType"] == "prov:Entity"
    assert records["key"] == {"@id": "data/key"}


def test_from_a_row_one_comes_to_its_parent_and_its_maker_by_croissant_alone(home: Path) -> None:
    import mlcroissant

    said = described(home / "reddit")
    makers = {held["identifier"]: held["prov:label"] for held in said["prov:wasAttributedTo"]}
    (parent,) = columns(said, "prov:wasDerivedFrom")
    records = mlcroissant.Dataset(jsonld=home / "reddit" / "croissant.json").records(record_set="data")
    rewritten = [record for record in records if record["data/origin"] == b"rewritten"]
    kept = pl.read_parquet(home / "reddit" / "data" / "*.parquet").rows_by_key("key", named=True, unique=True)
    assert rewritten
    for record in rewritten:
        assert record[f"data/{parent}"].decode() == kept[record["data/key"].decode()]["source_key"]
        assert makers[record["data/fingerprint"].decode()] == "house/frames"


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_row_was_generated_by_its_maker_from_a_plan_and_a_prompt(home: Path, corpus: str) -> None:
    records = next(each for each in described(home / corpus)["recordSet"] if each["@id"] == "data")
    making = records["annotation"]
    assert (making["dataType"], making["equivalentProperty"]) == ("prov:Activity", "prov:wasGeneratedBy")
    said = {part["source"]["extract"]["column"]: part["equivalentProperty"] for part in making["subField"]}
    prompt = {"prompt": "prov:used"} if corpus in ("portraits", "imagenet") else {}
    assert said == {"fingerprint": "prov:wasAssociatedWith", "plan": "prov:used", **prompt}


def test_each_edit_of_a_chain_is_a_row_within_it_with_a_maker_and_a_prompt_of_its_own(home: Path) -> None:
    turns = fields(described(home / "edits"))["turns"]
    parts = {part["name"]: part.get("equivalentProperty") for part in turns["subField"]}
    assert turns["equivalentProperty"] == "prov:hadMember"
    assert parts["model"] == parts["fingerprint"] == "prov:wasAttributedTo"
    making = {part["name"]: part["source"]["transform"]["jsonPath"] for part in turns["annotation"]["subField"]}
    assert making == {"fingerprint": "fingerprint", "plan": "plan", "prompt": "prompt"}


def test_a_label_is_attributed_to_its_judge(home: Path) -> None:
    judge = fields(described(home / "reddit"))["emotion"]["annotation"]
    assert judge["equivalentProperty"] == "prov:wasAttributedTo"
    assert judge["source"]["extract"] == {"column": "judge"}


def test_as_rdf_the_dataset_has_its_sources_stages_and_makers_in_prov(
    home: Path, given: dict[str, Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rdflib import PROV, RDF, SDO, Graph, URIRef

    label = URIRef(f"{PROV}label")  # Croissant's examples have it, PROV-O has not
    monkeypatch.chdir(home)  # what a relative name is relative to
    graph = Graph().parse(home / "reddit" / "croissant.json", format="json-ld")
    dataset = graph.value(predicate=RDF.type, object=SDO.Dataset)
    sources = {str(graph.value(one, SDO.sha256)) for one in graph.objects(dataset, PROV.wasDerivedFrom)}
    stages = {str(graph.value(one, label)) for one in graph.objects(dataset, PROV.wasGeneratedBy)}
    makers = {str(graph.value(one, SDO.identifier)) for one in graph.objects(dataset, PROV.wasAttributedTo)}
    assert sources == {source.sha256 for source in given["reddit"].sources}
    assert stages == {stage.name for stage in given["reddit"].text.stages}
    assert makers == set(given["reddit"].makers)
    assert {PROV.Entity, PROV.Activity, PROV.SoftwareAgent} <= set(graph.objects(None, RDF.type))


def test_every_relation_and_type_of_a_column_is_a_term_of_prov(home: Path) -> None:
    from rdflib import PROV

    for corpus in CORPORA:
        said = described(home / corpus)
        assert said["@context"]["prov"] == str(PROV)
        marks = [mark for mark in relations(said) if mark.startswith("prov:")]
        assert marks
        assert all(PROV[mark.removeprefix("prov:")] for mark in marks)  # a closed namespace: it knows its own terms


def relations(said: Any) -> Iterator[str]:
    """Every relation and type of a column, as it is written."""
    if isinstance(said, dict):
        for name, held in said.items():
            if name in ("equivalentProperty", "dataType"):
                yield from [held] if isinstance(held, str) else held
            else:
                yield from relations(held)
    elif isinstance(said, list):
        for held in said:
            yield from relations(held)


def test_a_maker_links_to_its_model_on_the_hub_and_to_its_licence(home: Path) -> None:
    (sdxl,) = described(home / "imagenet")["prov:wasAttributedTo"]
    page = "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0"
    assert (sdxl["url"], sdxl["license"], sdxl["softwareVersion"]) == (page, page, "462165984030")
    language = next(
        maker for maker in described(home / "reddit")["prov:wasAttributedTo"] if maker["prov:label"] == "house/language"
    )
    assert "url" not in language
    assert language["license"] == "https://spdx.org/licenses/Apache-2.0"


def test_a_credential_in_a_model_s_address_is_not_told(tmp_path: Path, given: dict[str, Release]) -> None:
    made = {name: {"model": "https://me:hunter2@models.example/x"} for name in given["reddit"].makers}
    write_release(replace(given["reddit"], makers=made), tmp_path / "reddit")
    assert "hunter2" not in (tmp_path / "reddit" / "croissant.json").read_text()


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, home: Path, given: dict[str, Release]) -> None:
    write_release(given["imagenet"], tmp_path / "again")
    for name in ("croissant.json", "README.md", "LICENSE"):
        assert (tmp_path / "again" / name).read_bytes() == (home / "imagenet" / name).read_bytes()
