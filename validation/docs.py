"""Make Data Docs that open anywhere: pages that load nothing from the network, and one that tells all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from corpusmith.validation.report import Result

REMOTE: Final = re.compile(
    r"<script[^>]*\bsrc=\"https?:[^>]*></script>|<link[^>]*\bhref=\"https?:[^>]*>|<img[^>]*\bsrc=\"https?:[^>]*>"
    r"|url\(\s*['\"]?https?:[^)]*\)[^;}]*|<footer.*?</footer>",
    re.DOTALL,
)
STYLE: Final = """<style>
:root { color-scheme: light dark; --line: #8884; --good: #188038; --bad: #c5221f; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
body > table { table-layout: fixed; } body > table th:first-child { width: 1.5rem; }
td table { width: auto; margin: .5rem 0; font-size: .9em; }
code { font-size: .85em; overflow-wrap: anywhere; }
.good, .text-success { color: var(--good); } .bad, .text-danger { color: var(--bad); }
i.text-success::before { content: "✓"; } i.text-danger::before { content: "✗"; }
i { font-style: normal; font-weight: bold; }
.sticky, .navbar-brand { display: none; } .navbar { height: auto !important; }
.alert { border-left: 4px solid var(--line); padding-left: .6rem; }
</style>"""


def finish(folder: Path, tables: Mapping[str, Sequence[Result]]) -> None:
    """Clear all pages under ``folder`` of what they would load from elsewhere, and write its index over them."""
    for page in folder.rglob("*.html"):
        text = page.read_text()
        if STYLE not in text:
            page.write_text(REMOTE.sub("", text).replace("</head>", f"{STYLE}</head>", 1))
    sections = "".join(_section(name, results, _newest(folder, name)) for name, results in tables.items())
    every = [result for results in tables.values() for result in results]
    failed = sum(not result.success for result in every)
    mark, said = "good", f"All {len(every)} expectations hold"
    if failed:
        mark, said = "bad", f"{failed} of {len(every)} expectations fail"
    (folder / "index.html").write_text(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Data Docs</title>{STYLE}</head>'
        f'<body><h1>Data Docs</h1><p class="{mark}">{said}.</p>{sections}</body></html>'
    )


def _newest(folder: Path, table: str) -> str:
    """The page that Great Expectations wrote of a table last; runs are named by their time."""
    return max(folder.glob(f"validations/{table}/*/*/*.html")).relative_to(folder).as_posix()


def _section(table: str, results: Sequence[Result], page: str) -> str:
    head = "<tr><th></th><th>Expectation</th><th>Observed</th><th>Failing</th></tr>"
    rows = "".join(_row(result) for result in results)
    return f'<h2>{escape(table)} <small><a href="{escape(page)}">details</a></small></h2><table>{head}{rows}</table>'


def _row(result: Result) -> str:
    mark = '<b class="good">✓</b>' if result.success else '<b class="bad">✗</b>'
    keys = "<br>".join(f"<code>{escape(key)}</code>" for key in result.keys)
    failing = "" if result.success else f"{result.failing:,}<br>{keys}"
    what = f"{escape(result.sentence)}<br><code>{escape(result.name)}</code>"
    return f"<tr><td>{mark}</td><td>{what}</td><td>{escape(result.observed or '')}</td><td>{failing}</td></tr>"
