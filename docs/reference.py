"""Write the reference: commands from their help, the Python API from docstrings, settings from params.yaml."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import corpusmith
from corpusmith import errors
from corpusmith.assets.corpus import Content, Corpus
from corpusmith.release import read
from corpusmith.release.inputs import CardText, Source
from corpusmith.release.lineage import Lineage
from corpusmith.validation.suite import Suite
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import Maker, produce

ROOT = Path(__file__).parents[1]
FIELD = re.compile(r"((?:[a-z_]+(?:\([^)]*\))?(?: \(optional\))?(?:, )?)+): ")
SUMMARY = re.compile(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n")  # cut short by Typer; each command follows in full
API: dict[str, list[Any]] = {
    "Reading releases": [read.load, read.pull],
    "A corpus of one's own": [Corpus, Content, CardText, Source, Lineage, Suite],
    "The engine": [produce, Maker, Ledger],
    "Errors": [found for found in vars(errors).values() if inspect.isclass(found)],
}


def write(folder: Path) -> None:
    """Write cli.md, api.md and settings.md."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"cli.md": commands(), "api.md": api(), "settings.md": settings()}.items():
        (folder / name).write_text(text)


def commands() -> str:
    """Every command with its arguments and options, as Typer writes them."""
    line = [Path(sys.executable).with_name("typer"), "corpusmith.dagster_project.cli", "utils", "docs"]
    done = subprocess.run(
        [*line, "--name", "corpusmith", "--title", "Commands"], cwd=ROOT, capture_output=True, text=True
    )
    done.check_returncode()
    return SUMMARY.sub("", done.stdout)


def api() -> str:
    """Signatures and docstrings of what other people's code may use."""
    parts = [
        "# Python\n",
        f"Of corpusmith {corpusmith.__version__}. `corpusmith.load` and `corpusmith.pull` need no other import.\n",
    ]
    for title, found in API.items():
        parts.append(f"## {title}\n")
        parts += [_described(one) for one in found]
    return "\n".join(parts)


def _described(one: Any, level: str = "###") -> str:
    name = f"{one.__module__}.{one.__qualname__}"
    if inspect.isclass(one) and issubclass(one, Exception):
        bases = ", ".join(base.__name__ for base in one.__bases__)
        return f"{level} {one.__name__}\n\n`{name}({bases})`\n\n{inspect.getdoc(one)}\n"
    text = f"{level} {one.__qualname__}\n\n```python\n{_signature(one)}\n```\n\nIn `{one.__module__}`.\n\n{_doc(one)}\n"
    fields = inspect.get_annotations(one) if inspect.isclass(one) else {}
    methods = [found for found in vars(one).items() if found[0] not in fields] if inspect.isclass(one) else []
    return "\n".join([text, *(_method(name, found) for name, found in methods if _is_shown(name, found))])


def _method(name: str, found: Any) -> str:
    function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
    head = f"{name}" if isinstance(found, property) else f"{name}{_parameters(function)}"
    return f"- `{head}`  \n  " + " ".join((inspect.getdoc(function) or "").split()) + "\n"


def _is_shown(name: str, found: Any) -> bool:
    is_method = inspect.isfunction(found) or isinstance(found, property | classmethod | staticmethod)
    function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
    return not name.startswith("_") and is_method and bool(inspect.getdoc(function))


def _signature(one: Any) -> str:
    if not inspect.isclass(one):
        return f"{one.__name__}{_parameters(one)}"
    fields = [f"    {name}: {_plain(kind)}" for name, kind in inspect.get_annotations(one).items()]
    return "\n".join([f"class {one.__name__}:", *fields]) if fields else f"class {one.__name__}{_parameters(one)}"


def _parameters(one: Any) -> str:
    found = inspect.signature(one)
    if len(str(found)) < 90:
        return _plain(str(found))
    return (
        "(\n"
        + "".join(f"    {_plain(str(one))},\n" for one in found.parameters.values())
        + f") -> {_plain(str(found.return_annotation))}"
    )


def _plain(text: Any) -> str:
    return str(text).replace("'", "")


def _doc(one: Any) -> str:
    """A docstring as Markdown: what it says of parameters and fields as a list, its examples as code."""
    lines: list[str] = []
    listing = False
    for line in (inspect.getdoc(one) or "").splitlines():
        if field := FIELD.match(line):
            lines += [""] * (not listing) + [f"- `{field[1]}`: {line[field.end() :]}"]
            listing = True
        elif line.startswith(">>> "):
            lines += ["```python", line.removeprefix(">>> ").partition("  # doctest")[0], "```"]
        else:
            listing = listing and bool(line)
            lines.append(f"  {line}" if listing else line)
    return "\n".join(lines)


def settings() -> str:
    """params.yaml with its comments, a section for each of its tables."""
    text = (ROOT / "params.yaml").read_text()
    head, *tables = re.split(r"^(?=[a-z]\w*:$)", text, flags=re.MULTILINE)
    said = " ".join(line.removeprefix("# ") for line in head.splitlines())
    sections = [f"## {table.partition(':')[0]}\n\n```yaml\n{table.rstrip()}\n```\n" for table in tables]
    return "\n".join(["# Settings", "", said, "", *sections])
