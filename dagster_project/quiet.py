"""Keep other libraries off the terminal: what stands there is ours."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import TextIO

from corpusmith.errors import SetAside

SILENT = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


def quiet() -> None:
    """No progress bars, logs or warnings but our own, each in one line; called before the libraries are imported."""
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)
    logging.lastResort = logging.NullHandler()
    ours = logging.StreamHandler()
    ours.setFormatter(logging.Formatter("warning: %(message)s"))
    logging.getLogger("corpusmith").addHandler(ours)
    warnings.showwarning = _show
    sys.unraisablehook = lambda _: None


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """One line for a file of the ledger that was set aside; nothing for all else."""
    if issubclass(category, SetAside):
        print(f"warning: {message}", file=sys.stderr)
