"""What stands between a catalog entry and its model, found before any work starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models import house
from corpusmith.models.catalog import DIFFUSION, Entry
from corpusmith.models.loading import explained, folder_of, hub_info, in_cache, revision_of

PICKLES: Final = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
NO_WEIGHTS: Final = (
    *("training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scheduler.bin"),
    "openvino_model.bin",  # of another program, in folders of its own
)
HALF: Final = ("float16", "bfloat16")
OWN: Final = ("WordCNN", "WordPairs")
"""Networks of the project itself (corpusmith.models.networks)."""
INSTEAD: Final = "only safetensors are loaded: where you trust it, convert it (save_pretrained writes them)"


def preflight(entry: Entry, device: str) -> str:
    """The commit that the entry stands for (of a folder, the hash of its files), if all is well; loads no weights.

    Raises ModelError, with what to do: not supported, a package missing, repository, revision or variant not there, out
    of reach and not in the cache, gated and no token that opens it, weights in pickles only, too little memory.
    """
    if entry.unsupported:
        raise ModelError(f"{entry.name} cannot be loaded: {entry.unsupported}")
    pipeline_class(entry)
    if Path(entry.repository).suffix in PICKLES:
        raise ModelError(f"{entry.name}: {entry.repository} is a pickle, which can run any code: {INSTEAD}")
    revision = revision_of(entry.repository, entry.revision, entry.variant)
    fault = weights_fault(entry, files_of(entry, revision))
    if fault:
        raise ModelError(f"{entry.name}: {entry.repository} {fault}")
    _check_memory(entry, device)
    return revision


def pipeline_class(entry: Entry) -> Any:
    """The class of diffusers or transformers that an entry names, or None of one of our own networks.

    Raises ModelError: there is none, or a package that it needs is missing.
    """
    if entry.pipeline in OWN:
        return None
    library: Any = importlib.import_module("diffusers" if entry.role in DIFFUSION else "transformers")
    found = getattr(library, entry.pipeline, None)
    if found is None:
        raise ModelError(f"{entry.name}: {library.__name__} {library.__version__} has no {entry.pipeline}")
    missing = " ".join(name for name in getattr(found, "_backends", ()) if importlib.util.find_spec(name) is None)
    if missing:
        raise ModelError(f"{entry.name}: {entry.pipeline} needs a package that is not here: pip install {missing}")
    return found


def files_of(entry: Entry, revision: str) -> list[str]:
    """Paths of the files of a repository at a revision: of a folder, of the Hub, or of what the cache has of it."""
    folder = folder_of(entry.repository)
    if folder is None:
        from huggingface_hub import HfApi

        with explained(entry.repository):
            told = hub_info(entry.repository, revision)
            if told is not None:
                if told.gated:
                    HfApi().auth_check(entry.repository)
                return [file.rfilename for file in told.siblings or ()]
            folder = in_cache(entry.repository, revision)
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]


def weights_fault(entry: Entry, files: Iterable[str]) -> str | None:
    """What is wrong with the weights among ``files``: pickles only, or the wanted variant missing; None: nothing."""
    paths = [PurePosixPath(file) for file in files]
    if entry.role in DIFFUSION:  # a component is a folder; what lies above is for other programs
        paths = [path for path in paths if len(path.parts) == 2]
    else:
        paths = [path for path in paths if len(path.parts) == 1]
    safe = [path for path in paths if path.suffix == ".safetensors"]
    pickled = {path.parent for path in paths if path.suffix in PICKLES and path.name not in NO_WEIGHTS}
    only = sorted(str(parent) for parent in pickled - {path.parent for path in safe})
    if only:
        where = "" if only == ["."] else f" of {', '.join(only)}"
        return f"has the weights{where} in pickles only, which can run any code: {INSTEAD}"
    if not safe:
        return "holds no safetensors weights"
    variants = {house.variant_of(Path(path)) for path in safe}
    if entry.variant not in variants:
        known = ", ".join(sorted(name for name in variants if name)) or "none"
        asked = f"has no variant {entry.variant!r}" if entry.variant else "has no weights without a variant"
        return f"{asked}; it has the variants: {known}"
    return None


def _check_memory(entry: Entry, device: str) -> None:
    if entry.cpu_offload != "none":
        return
    if device.startswith("cuda"):
        import gc

        import torch

        gc.collect()  # the model before may be held by cycles, and torch keeps what it freed
        torch.cuda.empty_cache()
        needed, free, what = entry.vram_gb, torch.cuda.mem_get_info(device)[0] / 1e9, f"the GPU ({device})"
        advice = "cpu_offload: model (or sequential), vae_tiling: true, a smaller batch or dtype in its catalog entry"
    else:
        import psutil

        twice = 2 if entry.dtype in HALF else 1  # on a CPU all runs in float32
        needed, free, what = entry.vram_gb * twice, psutil.virtual_memory().available / 1e9, "this machine"
        advice = "a GPU"
    if needed > free:
        raise ModelError(
            f"{entry.name} needs about {needed:.1f} GB, and {what} has {free:.1f} GB free: "
            f"try {advice}, or a smaller model"
        )
