"""Commands in forks of a process that has the libraries loaded: a process of its own for each, without the imports.

Loading torch, dagster, great_expectations and the rest takes a command seconds, and the tests give hundreds of them.
Next to nothing of corpusmith is loaded before the fork, and no library computes there, so that no thread is lost by it.
A command whose environment is another in what libraries read while they load is started anew.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.metadata
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BEGAN = dict(os.environ)
"""The environment in which libraries are loaded, before any test has changed it."""
LOADED = (
    *("numpy", "pandas", "polars", "pyarrow.dataset", "pyarrow.parquet", "torch"),
    *("transformers", "datasets", "tokenizers", "diffusers", "huggingface_hub"),
    *("dagster", "dagster_polars", "great_expectations", "sklearn.linear_model"),
    *("scipy.sparse.csgraph", "PIL.Image", "matplotlib.figure", "jinja2", "mlcroissant", "httpx"),
    *("typer", "rich.table", "pydantic", "xxhash", "zstandard", "ijson", "orjson", "psutil", "filelock", "yaml"),
)
READ_WHILE_LOADING = (
    *("HF_", "HUGGING", "TRANSFORMERS_", "DATASETS_", "DIFFUSERS_", "USE_", "OMP_", "KMP_", "MKL_", "OPENBLAS_"),
    *("POLARS_", "ARROW_", "CUDA_", "TORCH", "MALLOC_", "MPL", "PYTHON", "LD_", "HOME", "XDG_", "TMPDIR", "TZ"),
    *("LANG", "LC_", "GX_"),
)
SET_BY_PATH = "PYTHONPATH"


def run(
    name: str, *arguments: str, cwd: Path | None = None, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """A command of this environment, such as corpusmith: how it ended, and what it printed."""
    if _read(env) != _read(BEGAN):
        line = [str(shutil.which(name, path=str(Path(sys.executable).parent))), *arguments]
        return subprocess.run(line, cwd=cwd, env=dict(env), capture_output=True, text=True, check=False)
    request = {"name": name, "arguments": arguments, "cwd": str(cwd or Path.cwd()), "env": dict(env)}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        mine, theirs = socket.socketpair()
        with mine, theirs:
            loaded, turn = _loaded(os.getpid())
            with turn:
                socket.send_fds(loaded, [json.dumps(request).encode()], [out.fileno(), err.fileno(), theirs.fileno()])
            theirs.close()
            code = int(mine.recv(16))
        printed = [_text(file) for file in (out, err)]
    return subprocess.CompletedProcess([name, *arguments], code, *printed)


def _read(env: Mapping[str, str]) -> dict[str, str]:
    return {name: env[name] for name in env if name.startswith(READ_WHILE_LOADING) and name != SET_BY_PATH}


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode().replace("\r\n", "\n"))


@cache
def _loaded(_process: int) -> tuple[socket.socket, threading.Lock]:
    """Where to ask, and whose turn it is; one for each process that asks, and gone with it."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line = [sys.executable, __file__, str(theirs.fileno())]
    subprocess.Popen(line, pass_fds=[theirs.fileno()], cwd=ROOT, env=BEGAN)
    theirs.close()
    return mine, threading.Lock()


def _serve(asked: socket.socket) -> None:
    """Fork for each request, until nobody asks any more."""
    sys.path[0] = str(ROOT)
    from corpusmith.dagster_project.quiet import SILENT

    os.environ |= SILENT | {"OMP_WAIT_POLICY": "PASSIVE"}  # as the command itself has it before it loads them
    for module in LOADED:
        importlib.import_module(module)
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
    os._exit(_ran(request))


def _ran(request: dict[str, Any]) -> int:
    """The exit code of a command, after all that a process does at its end."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[:0] = [path for path in os.environ.get(SET_BY_PATH, "").split(os.pathsep) if path not in ("", *sys.path)]
    sys.argv = [request["name"], *request["arguments"]]
    try:
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
