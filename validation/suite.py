"""Run Great Expectations suites over the narrow tables of a corpus, and say which rows fail what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from corpusmith.validation.docs import finish
from corpusmith.validation.report import LISTED, Report, Result

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import (
        ExpectationSuite,
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.expectations.expectation import Expectation

RESULT_FORMAT: Final = {"result_format": "SUMMARY", "partial_unexpected_count": LISTED}
QUIET: Final = {"globally": False, "metric_calculations": False}


@dataclass(frozen=True)
class Table:
    """Some columns of a corpus, read when their turn comes, and what must hold of them.

    ``rows`` gives a frame whose first column names its rows; ``expectations`` are named by slugs.
    """

    rows: Callable[[], pl.DataFrame]
    expectations: Mapping[str, Expectation]


def _nothing(rejected: pl.LazyFrame, rows: pl.LazyFrame, limits: Any) -> dict[str, Table]:
    """Of a corpus of whose rejected rows nothing must hold."""
    return {}


@dataclass(frozen=True)
class Suite:
    """What must hold of a corpus.

    sentences: every expectation in plain language by its slug, with the names of ``limits`` for numbers.
    limits: the class of the bounds: ``limits()`` where no settings are known, else ``limits.of(settings, made)``.
    released(rows, limits), rejected(rejected, rows, limits): what is looked at of the rows and of the rejected ones.
    """

    corpus: str
    sentences: Mapping[str, str]
    limits: Any
    released: Callable[[pl.LazyFrame, Any], dict[str, Table]]
    rejected: Callable[[pl.LazyFrame, pl.LazyFrame, Any], dict[str, Table]] = _nothing

    def validate(
        self, rows: pl.LazyFrame, rejected: pl.LazyFrame | None = None, limits: Any = None, docs: Path | None = None
    ) -> Report:
        """What became of each expectation over the rows of a release and, if given, over what was rejected.

        The tables may have any columns: those that are missing or of another type fail the schema and are read as null.
        With ``docs``, Great Expectations writes its Data Docs there.
        """
        limits = limits or self.limits()
        looked_at = self.released(rows, limits)
        if rejected is not None:
            looked_at |= self.rejected(rejected, rows, limits)
        return run(self.corpus, looked_at, sentences(self.sentences, limits), docs)


def run(corpus: str, tables: Mapping[str, Table], sentences: Mapping[str, str], docs: Path | None = None) -> Report:
    """The report over all tables, in the order of ``sentences``; with ``docs``, Data Docs are written there as well.

    One table is in memory at a time. Rows are looked at in the order of their names, so theirs does not matter.
    """
    context = _context(docs)
    source = context.data_sources.add_or_update_pandas(corpus)
    results: dict[str, list[Result]] = {}
    for name, table in tables.items():
        data = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = _suite(name, table.expectations, sentences)
        found = _validate(context, suite, data, _to_pandas(table.rows()), stored=docs is not None)
        results[name] = [_result(one) for one in found.results]
        loaded = source.get_execution_engine().batch_manager  # which would keep every table to the end
        loaded.batch_cache.clear()
        loaded.batch_data_cache.clear()
    if docs:
        _write_docs(context)
        finish(docs, results)
    order = list(sentences)
    every = [result for found in results.values() for result in found]
    return Report(tuple(sorted(every, key=lambda result: order.index(result.name))))


def _context(docs: Path | None) -> AbstractDataContext:
    """A silent context: in memory, or a project under ``docs`` whose site is ``docs`` itself."""
    import great_expectations as gx

    if docs is None:
        context: AbstractDataContext = gx.get_context(mode="ephemeral")
    else:
        docs.mkdir(parents=True, exist_ok=True)
        context = gx.get_context(mode="file", project_root_dir=docs)
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
        index = {"class_name": "DefaultSiteIndexBuilder"}
        site = {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
        context.update_data_docs_site("local_site", site | {"show_how_to_buttons": False})
    context.enable_analytics(False)
    context.variables.progress_bars = QUIET
    return context


def _suite(name: str, expectations: Mapping[str, Expectation], sentences: Mapping[str, str]) -> ExpectationSuite:
    import great_expectations as gx

    named = [_named(expectation, slug, sentences[slug]) for slug, expectation in expectations.items()]
    return gx.ExpectationSuite(name, expectations=named)


def _named(expectation: Expectation, slug: str, sentence: str) -> Expectation:
    expectation.meta = {"slug": slug}
    expectation.description = sentence
    return expectation


def _validate(
    context: AbstractDataContext, suite: ExpectationSuite, data: BatchDefinition[Any], rows: pd.DataFrame, stored: bool
) -> ExpectationSuiteValidationResult:
    """What became of a suite; stored in the context for its Data Docs, or not (which is twice as fast)."""
    import great_expectations as gx

    parameters = {"dataframe": rows}
    if not stored:
        return data.get_batch(parameters).validate(suite, result_format=RESULT_FORMAT)
    definition = gx.ValidationDefinition(name=suite.name, data=data, suite=context.suites.add_or_update(suite))
    definition = context.validation_definitions.add_or_update(definition)
    return definition.run(batch_parameters=parameters, result_format=RESULT_FORMAT)


def _to_pandas(rows: pl.DataFrame) -> pd.DataFrame:
    """The rows in order of their names, which become the (unnamed) index: so GX lists failing rows by name, at no cost.

    With a named index, or index columns, GX would look up each failing row one by one: 40 s for a million.
    """
    name = rows.columns[0]
    frame = rows.sort(name).to_pandas(use_pyarrow_extension_array=True)
    frame.index = frame[name].rename(None)
    return frame


def _result(one: ExpectationValidationResult) -> Result:
    slug, sentence = one.expectation_config.meta["slug"], str(one.expectation_config.description)
    found = one.result
    if one.exception_info.get("raised_exception"):
        return Result(slug, sentence, False, 0, (), f"could not be checked: {one.exception_info['exception_message']}")
    keys = tuple(str(key) for key in found.get("partial_unexpected_index_list") or ())
    return Result(slug, sentence, bool(one.success), found.get("unexpected_count") or 0, keys, _observed(found))


def _observed(found: Mapping[str, Any]) -> str | None:
    if found.get("observed_value") is not None:
        return str(found["observed_value"])
    values = dict.fromkeys(shorten(str(value), 100) for value in found.get("partial_unexpected_list") or ())
    return ", ".join(values) or None


def _write_docs(context: AbstractDataContext) -> None:
    """Every stored result as HTML.

    GX names failing rows only of a complete list: the short one passes for it. It writes values into its pages as they
    are, so they are escaped before.
    """
    store = context.validation_results_store
    for key in store.list_keys():
        stored = store.get(key)
        for result in (one.result for one in stored.results if "unexpected_list" not in one.result):
            result |= {name: _escaped(value) for name, value in result.items()}
            result["unexpected_list"] = result.get("partial_unexpected_list", [])
            result["unexpected_index_list"] = result.get("partial_unexpected_index_list", [])
        store.set(key, stored)
    context.build_data_docs()


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {name: _escaped(inner) for name, inner in value.items()}
    return type(value)(_escaped(inner) for inner in value) if isinstance(value, list | tuple) else value


def sentences(templates: Mapping[str, str], limits: Any) -> dict[str, str]:
    """Every expectation in plain language, by its slug: the templates with the numbers of a suite's Limits."""
    numbers = {name: value for name, value in vars(limits).items() if name != "made"}
    return {slug: sentence.format(**numbers) for slug, sentence in templates.items()}
