"""Commands in forks of a process that has the libraries loaded: a process of its own for each, without the imports.

Loading torch, dagster, great_expectations and the rest takes a command seconds, and the tests give hundreds of them.
Next to nothing of corpusmith is loaded before the fork, and no library computes there, so that no thread is lost by it.
A command whose environment is another in what libraries read while they load is started anew (for that of `command`
there is such a process of its own).
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.metadata
import json
import os
import runpy
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).parents[1]
BEGAN = dict(os.environ)
"""The environment in which libraries are loaded, before any test has changed it."""
LOADED = (
    *("numpy", "pandas", "polars", "pyarrow.dataset", "pyarrow.parquet", "torch"),
    *("transformers", "datasets", "tokenizers", "diffusers", "huggingface_hub"),
    *("transformers.models", "transformers.modeling_utils", "transformers.models.auto.modeling_auto", "accelerate"),
    *("dagster", "dagster_polars", "dagster._core.storage.sqlite_storage", "upath"),
    *("great_expectations", "sklearn.linear_model"),
    *("scipy.sparse.csgraph", "PIL.Image", "matplotlib.figure", "jinja2", "mlcroissant", "httpx"),
    *("typer", "rich.table", "pydantic", "xxhash", "zstandard", "ijson", "orjson", "psutil", "filelock", "yaml"),
)
READ_WHILE_LOADING = (
    *("HF_", "HUGGING", "TRANSFORMERS_", "DATASETS_", "DIFFUSERS_", "USE_", "OMP_", "KMP_", "MKL_", "OPENBLAS_"),
    *("POLARS_", "ARROW_", "CUDA_", "TORCH", "MALLOC_", "MPL", "PYTHON", "LD_", "HOME", "XDG_", "TMPDIR", "TZ"),
    *("LANG", "LC_", "GX_"),
)
SET_BY_PATH = "PYTHONPATH"
SET_WHILE_LOADING = ("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "TORCHINDUCTOR_CACHE_DIR")
"""By scikit-learn and diffusers: once a test has loaded them here, they stand in the environment of every command."""


def run(
    name: str, *arguments: str, cwd: Path | None = None, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """A command of this environment, such as corpusmith, or a script by its path: how it ended, and what it printed."""
    if _read(env) != _read(BEGAN):
        command = [sys.executable, name] if _is_script(name) else [_installed(name)]
        line = [*command, *arguments]
        return subprocess.run(line, cwd=cwd, env=dict(env), capture_output=True, text=True, check=False)
    request = {"name": name, "arguments": arguments, "cwd": str(cwd or Path.cwd()), "env": dict(env)}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        mine, theirs = socket.socketpair()
        with mine, theirs:
            _ask(json.dumps(request).encode(), [out.fileno(), err.fileno(), theirs.fileno()], BEGAN)
            theirs.close()
            code = int(mine.recv(16))
        printed = [_text(file) for file in (out, err)]
    return subprocess.CompletedProcess([name, *arguments], code, *printed)


def unsynced() -> None:
    """Let Dagster's databases wait for no disk: a thousand times a build, for a power cut that no test makes."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _unsynced)


def _unsynced(connection: Any, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


def _is_script(name: str) -> bool:
    return name.endswith(".py")


def _installed(name: str) -> str:
    return str(shutil.which(name, path=str(Path(sys.executable).parent)))


def _read(env: Mapping[str, str]) -> dict[str, str]:
    """What libraries read while they load, but what they, or commands that ran in this process, set to what it is."""
    left_out, ours = (SET_BY_PATH, *SET_WHILE_LOADING), _set_by_us()
    return {
        name: value
        for name, value in env.items()
        if name.startswith(READ_WHILE_LOADING) and name not in left_out and ours.get(name) != value
    }


def _set_by_us() -> dict[str, str]:
    """What a command itself sets before it loads the libraries."""
    from corpusmith.dagster_project.quiet import SILENT

    return {**SILENT, "OMP_WAIT_POLICY": "PASSIVE"}


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode().replace("\r\n", "\n"))


def _ask(message: bytes, fds: list[int], began: Mapping[str, str]) -> None:
    """Have a command run where an environment was begun with. fds: its output, its errors, and who is told its end."""
    loaded, turn = _loaded(os.getpid(), tuple(sorted(began.items())))
    with turn:
        socket.send_fds(loaded, [message], fds)


@cache
def _loaded(_process: int, began: tuple[tuple[str, str], ...]) -> tuple[socket.socket, threading.Lock]:
    """Where to ask, and whose turn it is; one for each process that asks, and gone with it."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line = [sys.executable, __file__, str(theirs.fileno())]
    subprocess.Popen(line, pass_fds=[theirs.fileno()], cwd=ROOT, env=dict(began))
    theirs.close()
    return mine, threading.Lock()


ASKING = """#!{python} -S
import json, os, socket, sys

request = dict(name={name!r}, arguments=sys.argv[1:], cwd=os.getcwd(), env=dict(os.environ))
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
    asked.connect({place!r})
    socket.send_fds(asked, [json.dumps(request).encode()], [1, 2])
    sys.exit(int(asked.recv(16)))
"""


@contextlib.contextmanager
def command(name: str, folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    """An executable of that name in a folder, for shells and other programs: it runs in a fork, with what they give it.

    env: theirs, as far as libraries read it while they load.
    """
    began = {one: value for one, value in BEGAN.items() if one not in _read(BEGAN)} | _read(env)
    folder.mkdir(exist_ok=True)
    kinds = socket.AF_UNIX, socket.SOCK_SEQPACKET
    with tempfile.TemporaryDirectory() as short, socket.socket(*kinds) as listening:  # 108 bytes of a path at most
        listening.bind(f"{short}/asked")
        listening.listen()
        (folder / name).write_text(ASKING.format(python=sys.executable, name=name, place=f"{short}/asked"))
        (folder / name).chmod(0o755)
        threading.Thread(target=_hand_on, args=(listening, began), daemon=True).start()
        yield
        listening.shutdown(socket.SHUT_RDWR)


def _hand_on(listening: socket.socket, began: Mapping[str, str]) -> None:
    """Have each command that is asked for run, until nobody listens any more."""
    with contextlib.suppress(OSError):
        while True:
            asked, _ = listening.accept()
            with asked:
                message, (out, err), _, _ = socket.recv_fds(asked, 1 << 20, 2)
                request = json.loads(message)
                if _read(request["env"]) == _read(began):
                    _ask(message, [out, err, asked.fileno()], began)
                else:
                    line, more = [_installed(request["name"]), *request["arguments"]], {"stdout": out, "stderr": err}
                    asked.send(str(subprocess.call(line, cwd=request["cwd"], env=request["env"], **more)).encode())
                os.close(out)
                os.close(err)


def _serve(asked: socket.socket) -> None:
    """Fork for each request, until nobody asks any more."""
    sys.path[0] = str(ROOT)
    os.environ |= _set_by_us()
    before = _read(os.environ)
    for module in LOADED:
        importlib.import_module(module)
    if changed := dict(_read(os.environ).items() - before.items()):
        raise RuntimeError(f"libraries set {changed} while they load: name it in SET_WHILE_LOADING")
    unsynced()
    gc.freeze()  # a collection in a fork does not touch, and so copy, what was loaded here
    waiting = 0
    while True:
        message, fds, _, _ = socket.recv_fds(asked, 1 << 20, 3)
        while waiting and os.waitpid(-1, os.WNOHANG)[0]:
            waiting -= 1
        if not message:
            return
        waiting += 1
        if not os.fork():
            asked.close()
            _tell(json.loads(message), *fds)
        for fd in fds:
            os.close(fd)


def _tell(request: dict[str, Any], out: int, err: int, reply: int) -> None:
    """Run a command in a fork, and reply how it ended."""
    child = os.fork()
    if child:
        os.write(reply, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
        os._exit(0)
    os.close(reply)
    for fd, to in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(fd, to)
        os.close(fd)
    sys.stdout, sys.stderr = _anew(sys.stdout), _anew(sys.stderr)
    os._exit(_ran(request))


def _anew(stream: Any) -> TextIO:
    """A stream that knows whether what it writes to now can be sought in."""
    buffering = 1 if stream.line_buffering else -1
    return open(stream.fileno(), "w", buffering, stream.encoding, stream.errors, closefd=False)


def _ran(request: dict[str, Any]) -> int:
    """The exit code of a command, after all that a process does at its end."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[:0] = [path for path in os.environ.get(SET_BY_PATH, "").split(os.pathsep) if path not in ("", *sys.path)]
    sys.argv = [request["name"], *request["arguments"]]
    try:
        if _is_script(request["name"]):
            runpy.run_path(request["name"], run_name="__main__")
            code: Any = None
        else:
            [script] = importlib.metadata.entry_points(group="console_scripts", name=request["name"])
            code = script.load()()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if isinstance(code, str):
        os.write(2, f"{code}\n".encode())
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
