"""Names of people and street addresses, which no rule finds for sure: by Presidio with a spaCy model, where asked."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.curate.rows import changed_where
from corpusmith.errors import ModelError

TOKENS: Final = {"PERSON": "[PERSON]", "STREET_ADDRESS": "[ADDRESS]"}
"""What is looked for, by Presidio's name, and what stands in its place."""
STREET: Final = (
    r"(?<![Ii]n )\b\d{1,5}[A-Za-z]?,? (?:[NSEW]\.? )?(?:[A-Z][a-z'-]+ ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Terrace|Way|Crescent|Close|Square|Sq|Highway|Hwy)\b\.?"
    r"(?:,? (?:[Aa]pt|[Uu]nit|#)\.? ?\w{1,5})?"
)
SURE: Final = 0.5  # Presidio's score, 0 to 1: what spaCy finds has 0.85
LETTER: Final = r"\p{L}"


def without_people(texts: pl.Series, model: str) -> pl.Series:
    """Each text with names of people as [PERSON] and street addresses as [ADDRESS]; a null stays null.

    model: a spaCy pipeline with a named-entity recognizer for English, installed or a folder; what it misses stays.
    Raises ModelError: it, or the extra ``people``, is not here.
    """
    found = analyzer(model)

    def change(some: pl.Series) -> pl.Series:
        results = found.analyze_iterator(some.to_list(), language="en", entities=list(TOKENS), score_threshold=SURE)
        said = [_replaced(text, spans) for text, spans in zip(some, results, strict=True)]
        return pl.Series(some.name, said, dtype=pl.String)

    return changed_where(texts, texts.str.contains(LETTER), change)


def revision(model: str) -> str:
    """The version of a spaCy model, as its own files say. Raises ModelError: it is not here."""
    meta = _loaded(model).meta
    return f"{meta['lang']}_{meta['name']} {meta['version']}"


@cache
def analyzer(model: str) -> Any:
    """Presidio's batch analyzer with this model. Raises ModelError."""
    pipeline = _loaded(model)
    from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer

    engine: Any = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": model}])
    engine.nlp = {"en": pipeline}  # its own loading would fetch a model that is not here
    street = PatternRecognizer("STREET_ADDRESS", patterns=[Pattern("street", STREET, 0.8)], global_regex_flags=0)
    registry = RecognizerRegistry([SpacyRecognizer(supported_entities=["PERSON"]), street])
    return BatchAnalyzerEngine(AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"]))


@cache
def _loaded(model: str) -> Any:
    try:
        import presidio_analyzer  # noqa: F401
        import spacy
    except ImportError as error:
        said = f"looking for people needs a package that is not here ({error}): pip install 'corpusmith[people]'"
        raise ModelError(said) from None
    if not (spacy.util.is_package(model) or Path(model).is_dir()):
        raise ModelError(f"the spaCy model {model} is not here: python -m spacy download {model}, or name a folder")
    return spacy.load(model, enable=["tok2vec", "transformer", "ner"])


def _replaced(text: str, spans: list[Any]) -> str:
    """The text with each span as its token; of overlapping ones the longest stands."""
    chosen: list[Any] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        if all(span.end <= other.start or other.end <= span.start for other in chosen):
            chosen.append(span)
    for span in sorted(chosen, key=lambda span: span.start, reverse=True):
        text = text[: span.start] + TOKENS[span.entity_type] + text[span.end :]
    return text
