"""`corpusmith init`: a project of one's own, with settings, git and DVC, and a corpus to begin with."""

from __future__ import annotations

import contextlib
import keyword
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import corpusmith
from corpusmith.assets.registry import installed
from corpusmith.dagster_project.terminal import Debug, Json, out, plain, print_json, told
from corpusmith.errors import UserError
from corpusmith.release.plain import shown
from corpusmith.whole import write_whole

TEMPLATES: Final = Path(__file__).with_name("project")
PACKAGE: Final = Path(corpusmith.__file__).parent
DVC: Final = (sys.executable, "-m", "dvc")
REMOTE: Final = "storage"  # the name of its remote
TAKEN: Final = ("work", "profiles")  # tables of params.yaml that are no corpus's


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder, or one in a repository.")],
    corpus: Annotated[
        str | None, typer.Option(metavar="NAME", help="Begin a corpus of this name, which builds as it is.")
    ] = None,
    remote: Annotated[
        str | None, typer.Option(metavar="URL", help="Where dvc push puts releases: a folder, s3://bucket/prefix, …")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Start a project of one's own: settings, dvc.yaml, git and DVC; no file that is there is overwritten."""
    with told(debug):
        found = start(directory.expanduser().resolve(), corpus, remote)
        if as_json:
            return print_json(found)
        out.print(f"[bold]{plain(found['project'])}[/]", soft_wrap=True)
        for name in found["written"]:
            out.print(f"  [green]+[/] {plain(name)}", soft_wrap=True)
        for name in found["kept"]:
            out.print(f"  [dim]{plain(name)} is there already[/]", soft_wrap=True)
        out.print(f"go on:  {plain(found['next'])}", soft_wrap=True)


def start(folder: Path, corpus: str | None = None, remote: str | None = None) -> dict[str, Any]:
    """Make the project; its ``project`` folder, what was ``written`` and what was ``kept``, and the ``next`` command.

    Called again it does what is left to do. Raises UserError where a file is there with other content, for a name that
    no corpus can have, and where git or DVC fail: then nothing of it stays.
    """
    if corpus is not None:
        _check_name(corpus)
    files = contents(folder.name, corpus)
    kept = [name for name, text in files.items() if _is_there(folder / name, text)]
    new = {name: text for name, text in files.items() if name not in kept}
    written = [*new]
    with _nothing_half_done(folder, new):
        for name, text in new.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, text)
        written += _under_version_control(folder, remote)
    return {
        "project": str(folder),
        "written": written,
        "kept": kept,
        "next": f"cd {shlex.quote(str(folder))} && corpusmith build {corpus or 'reddit --profile smoke'}",
    }


def contents(project: str, corpus: str | None) -> dict[str, str]:
    """The text of every file of a project by its path; with a corpus's name, what it begins with too."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", project).strip("-") or "corpora"
    words = {"PROJECT": name, "VERSION": corpusmith.__version__, "NAME": corpus or "reddit"}
    found = {
        "params.yaml": _shipped(PACKAGE / "params.yaml"),
        "dvc.yaml": _stages(_shipped(Path(__file__).with_name("dvc.yaml")), corpus),
        "pyproject.toml": _filled("project.toml", words),
        "README.md": _filled("README.md", words),
        "corpora/__init__.py": '"""The corpora of this project, a folder for each."""\n',
        ".gitignore": _filled("gitignore", {}),
        ".dvcignore": _filled("dvcignore", {}),
        ".corpusmith/dagster/dagster.yaml": Path(__file__).with_name("dagster.yaml").read_text(),
    }
    if corpus is None:
        return found
    named = {"Skeleton": "".join(part.title() for part in corpus.split("_")), "skeleton": corpus}
    table = _filled("table.yaml", named)
    registered = found["params.yaml"].replace("corpora: []", f"corpora: [corpora.{corpus}.corpus]", 1)
    return found | {
        "params.yaml": registered.replace("\nprofiles:\n", f"\n{table}\nprofiles:\n", 1),
        f"corpora/{corpus}/corpus.py": _filled("skeleton.py", named),
    }


def _shipped(path: Path) -> str:
    """A file that the wheel has in it; in a checkout it lies at the top."""
    return (path if path.is_file() else PACKAGE.parent / path.name).read_text()


def _filled(template: str, words: Mapping[str, str]) -> str:
    text = (TEMPLATES / template).read_text()
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _stages(text: str, corpus: str | None) -> str:
    """The stage of our dvc.yaml, depending on what a project has; for one's own corpus, else for those that ship."""
    if corpus:
        text = re.sub(r"foreach: \[.*\]", f"foreach: [{corpus}]", text)
    return re.sub(r"( +deps:\n)(?: +- .*\n)+", r"\1        - corpora\n        - pyproject.toml\n", text)


def _check_name(corpus: str) -> None:
    """Raises UserError for a name that no module, table of params.yaml and asset group can have."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", corpus) or keyword.iskeyword(corpus):
        raise UserError(f"--corpus {shown(corpus)}: expected a name of small letters, digits and _, such as replies")
    if corpus in (*installed(), *TAKEN):
        raise UserError(f"--corpus {corpus}: there is one of that name already; choose another")


def _is_there(path: Path, text: str) -> bool:
    """Whether a file is there with this very text. Raises UserError where something else is."""
    for folder in path.parents:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file; expected a folder, or nothing: choose another place for the project")
    if not os.path.lexists(path):
        return False
    if path.is_file() and path.read_bytes() == text.encode():
        return True
    raise UserError(f"{path} is there already and is not what init would write: move it away, or choose another folder")


@contextlib.contextmanager
def _nothing_half_done(folder: Path, new: Mapping[str, str]) -> Iterator[None]:
    """Takes back what was written where the rest fails."""
    there = {path for path in (folder, folder / ".git", folder / ".dvc") if path.exists()}
    try:
        yield
    except BaseException:
        for name in new:
            (folder / name).unlink(missing_ok=True)
            for above in list((folder / name).parents)[: len(Path(name).parents) - 1]:
                with contextlib.suppress(OSError):
                    above.rmdir()
        for name in (".git", ".dvc"):
            if folder / name not in there:
                shutil.rmtree(folder / name, ignore_errors=True)
        if folder not in there:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _under_version_control(folder: Path, remote: str | None) -> list[str]:
    """Git where the folder is in no repository, DVC where it has none, and its remote; what was added."""
    added = []
    if _ran("git", "rev-parse", "--is-inside-work-tree", cwd=folder, fails=True) is None:
        _ran("git", "init", "--quiet", cwd=folder)
        added.append(".git")
    if not (folder / ".dvc").is_dir():
        own = (folder / ".git").exists()
        _ran(*DVC, "init", "--quiet", *([] if own else ["--subdir"]), cwd=folder)
        (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n")  # empty until now
        added.append(".dvc")
    if remote and not _is_remote(folder, address := _address(remote)):
        _ran(*DVC, "remote", "add", "--default", "--", REMOTE, address, cwd=folder)
        added.append(".dvc/config: the remote")
    return added


def _address(remote: str) -> str:
    """The URL of a remote; a folder's is seen from where the command was given."""
    return remote if "://" in remote else str(Path(remote).expanduser().resolve())


def _is_remote(folder: Path, address: str) -> bool:
    """Whether DVC has this remote. Raises UserError where it has another of that name."""
    from dvc.config import Config  # `dvc remote list` breaks a long line in two

    known = Config(str(folder / ".dvc")).get("remote", {}).get(REMOTE, {}).get("url")
    if known not in (None, address):
        raise UserError(f"DVC has a remote {REMOTE} in {folder} already, elsewhere: change it with dvc remote modify")
    return known is not None


def _ran(*command: str, cwd: Path, fails: bool = False) -> str | None:
    """What a command printed. Raises UserError where it is not there or fails; None instead, if it may fail."""
    named = command[2] if command[0] == sys.executable else command[0]
    quiet = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    try:
        ran = subprocess.run(command, cwd=cwd, env=quiet, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"{named} cannot be run ({error.strerror}): install it, then run the same again") from None
    if ran.returncode == 0:
        return ran.stdout
    if fails:
        return None
    said = (ran.stderr.strip() or ran.stdout.strip()).partition("\n")[0]
    raise UserError(f"{named} failed in {cwd}: {shown(said)}; nothing was written: mend that and run the same again")
