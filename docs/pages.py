"""Build the documentation site: the pages of docs/, the generated reference, and each file that they link to.

``python docs/pages.py`` puts the pages together in build/docs and lets Zensical make site/ of them (zensical.toml).
A link to a file outside docs/ leads to a page that shows that file: the site is whole without the repository.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import reference

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "docs"
LINK = re.compile(r"(?<=\]\()([^()\s]+)(?=\))")
FENCE = re.compile(r"^(`{3,}).*?^\1`*[ ]*$", re.DOTALL | re.MULTILINE)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json", "": "text"}


def links(text: str) -> Iterator[re.Match[str]]:
    """The targets of a page's links and images, but for what stands in its code blocks."""
    fenced = [block.span() for block in FENCE.finditer(text)]
    for link in LINK.finditer(text):
        if not any(start <= link.start() < end for start, end in fenced):
            yield link


def is_file(target: str) -> bool:
    """Whether a link leads to a file beside its page: neither to another site nor within the page."""
    return not target.startswith("#") and "://" not in target and not target.startswith("mailto:")


def place(file: Path) -> str:
    """Where a file of the repository lies in the site's pages, as a POSIX path."""
    path = file.relative_to(ROOT).as_posix()
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    as_it_is = file.suffix in (".md", ".png")
    return f"repository/{path}" if as_it_is else f"repository/{path}.md"


def page(file: Path) -> tuple[str, set[Path]]:
    """The text of a file's page, and the files that it links to."""
    if file.is_dir():
        named = sorted(path.name + "/" * path.is_dir() for path in file.iterdir() if path.name[0] not in "._")
        return f"# {file.relative_to(ROOT)}\n\n" + "".join(f"- `{name}`\n" for name in named), set()
    text = file.read_text()
    if file.suffix != ".md":
        language = LANGUAGES.get(file.suffix, "text")
        return f"# {file.relative_to(ROOT)}\n\n````{language}\n{text}\n````\n", set()
    found, parts, end = set(), [], 0
    here = posixpath.dirname(place(file))
    for link in links(text):
        name, anchor, section = link[1].partition("#")
        if is_file(link[1]):
            target = Path(os.path.normpath(file.parent / name))
            found.add(target)
            parts += [text[end : link.start()], posixpath.relpath(place(target), here or "."), anchor, section]
            end = link.end()
    return "".join([*parts, text[end:]]), found


def stage(into: Path = PAGES) -> None:
    """Put together all pages, in a new folder. Raises FileNotFoundError: a link leads nowhere."""
    shutil.rmtree(into, ignore_errors=True)
    waiting = sorted((ROOT / "docs").rglob("*.md"))
    seen = set(waiting)
    while waiting:
        file = waiting.pop()
        target = into / place(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".png":
            shutil.copyfile(file, target)
            continue
        text, found = page(file)
        target.write_text(text)
        waiting += sorted(found - seen)
        seen |= found
    reference.write(into / "reference")


def main() -> None:
    """Build the site; exits as Zensical does, which takes a warning for an error."""
    stage()
    done = subprocess.run([Path(sys.executable).with_name("zensical"), "build", "--clean", "--strict"], cwd=ROOT)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
