"""The Markdown pages of the repository, and the commands and programs that they show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s+# .*$")


@dataclass(frozen=True)
class Shown:
    """A command of a page, or a Python program, and what the page says that it prints."""

    text: str
    output: str = ""

    @property
    def is_program(self) -> bool:
        return not self.output and self.text.startswith(("import ", "from "))

    @property
    def code(self) -> int:
        """The exit code that the output stands for."""
        return 2 if re.search(r"^error:", self.output, re.MULTILINE) else 0


def pages() -> dict[str, Path]:
    """Every page that people read, by its path; what the generators of house models wrote is their own."""
    found = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): path for path in found}


def shown(text: str) -> list[Shown]:
    """The commands and programs of a page, in order."""
    found: list[Shown] = []
    for block in BLOCK.finditer(text):
        if block["language"] == "console":
            found += _commands(block["text"])
        elif block["language"] == "python" and Shown(block["text"]).is_program:
            found.append(Shown(block["text"]))
    return found


def _commands(block: str) -> list[Shown]:
    found: list[tuple[list[str], list[str]]] = []
    for line in block.splitlines():
        command, output = found[-1] if found else ([], [])
        if line.startswith("$ "):
            found.append(([COMMENT.sub("", line.removeprefix("$ "))], []))
        elif command and command[-1].endswith("\\"):
            command.append(line)
        elif not found:
            raise ValueError(f"a console block begins with no command: {line!r}")
        else:
            output.append(line)
    return [Shown("\n".join(command), "\n".join([*output, ""])) for command, output in found]
