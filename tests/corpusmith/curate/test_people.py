"""Names of people and street addresses go where a model that finds them is named."""

import sys
from pathlib import Path

import polars as pl
import pytest

from corpusmith.curate import people
from corpusmith.curate.people import without_people
from corpusmith.curate.text import Rules, clean
from corpusmith.errors import ModelError
from corpusmith.ingest.records import SCHEMA


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A spaCy pipeline that knows two people, on disk as a trained one is."""
    import spacy

    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler", name="ner")
    ruler.add_patterns([{"label": "PERSON", "pattern": name} for name in ("Grace Weber", "Omar Novak")])
    pipeline.meta |= {"name": "two_people", "version": "1.2.3"}
    folder = tmp_path_factory.mktemp("spacy") / "two_people"
    pipeline.to_disk(folder)
    return str(folder)


def test_names_and_street_addresses_become_tokens_and_the_rest_stays(model: str) -> None:
    texts = pl.Series(
        [
            "I saw Grace Weber at 12 Baker Street, Apt 4b, yesterday",
            "12 Grace Weber Street is where she lives, says Omar Novak.",
            "in 2006 Main Street was 3 Points long",
            "",
            None,
        ]
    )
    assert without_people(texts, model).to_list() == [
        "I saw [PERSON] at [ADDRESS], yesterday",
        "[ADDRESS] is where she lives, says [PERSON].",
        "in 2006 Main Street was 3 Points long",
        "",
        None,
    ]


def test_cleaning_looks_for_people_only_where_a_model_is_named(model: str) -> None:
    row = {name: None for name in SCHEMA} | {"raw": "Grace Weber wrote to me", "broken": False, "nsfw": False}
    batch = pl.DataFrame([row], schema=SCHEMA)
    assert clean(batch, Rules(), "salt")["text"][0] == "Grace Weber wrote to me"
    assert clean(batch, Rules(people=model), "salt")["text"][0] == "[PERSON] wrote to me"


def test_the_model_is_known_by_its_name_and_version(model: str) -> None:
    assert people.revision(model) == "en_two_people 1.2.3"


def test_a_model_that_is_not_here_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="python -m spacy download en_core_web_none"):
        people.revision("en_core_web_none")


def test_a_package_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(ModelError, match=r"pip install 'corpusmith\[people\]'"):
        people.revision("en_core_web_other")
