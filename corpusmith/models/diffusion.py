"""Opens the models of the catalog with the ecosystem's own classes: diffusers pipelines, and transformers models."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models.catalog import CATALOG, DIFFUSION, Entry, Role
from corpusmith.models.loading import explained, folder_of, hardware, name_in_cache, revision_of
from corpusmith.models.preflight import pipeline_class, preflight

AUTO: Final = {"text_to_image": "Text2Image", "image_to_image": "Image2Image", "inpaint": "Inpainting"}
BACKBONES: Final = ("unet", "transformer", "decoder", "prior_prior")
CONNECTED: Final = ("prior",)
"""Where the card of a decoder names the repository of the model that goes before it."""


@dataclass(frozen=True)
class Loaded:
    """A model as it runs: a diffusers ``pipeline`` or transformers model, with the latter's ``processor``.

    revision: the commit, or the hash of a folder's files. connected: commits of the repositories that came with it.
    """

    entry: Entry
    pipeline: Any
    revision: str
    device: str
    dtype: str
    processor: Any = None
    connected: tuple[tuple[str, str], ...] = ()

    @property
    def provenance(self) -> dict[str, Any]:
        """Repository, resolved commits, variant, class, device, dtype and library, for a manifest."""
        import diffusers
        import torch

        return {
            "model": self.entry.repository,
            "revision": self.revision,
            "variant": self.entry.variant,
            "connected": dict(self.connected),
            "pipeline": type(self.pipeline).__name__,
            "device": self.device,
            "dtype": self.dtype,
            "diffusers": diffusers.__version__,
            "torch": torch.__version__,
        }


def runs_on(entry: Entry) -> tuple[str, str]:
    """Device and dtype: the entry's dtype on a GPU that has it (else float16), float32 on a CPU."""
    found = hardware()
    if found["device"] == "cpu" or (entry.dtype == "bfloat16" and found["dtype"] == "float16"):
        return found["device"], found["dtype"]
    return found["device"], entry.dtype


def load(entry: Entry, role: Role | None = None) -> Loaded:
    """The model of an entry in its own role or, of a diffusers pipeline, in another one; ready to be called.

    Safetensors only, no remote code; scheduler, offload, VAE slicing and tiling, compilation and attention back-end as
    the entry says. A repository's safety checker is kept. Raises ModelError: ``preflight``, or no such role.
    """
    import torch

    device, dtype = runs_on(entry)
    revision = preflight(entry, device)
    options = {"use_safetensors": True, "trust_remote_code": False, "dtype": getattr(torch, dtype)}
    _quiet()
    with explained(entry.repository, f"a {role or entry.role} model that can be opened"):
        if entry.role not in DIFFUSION:
            model, processor = _model(entry, revision, options)
            return Loaded(entry, model.to(device).eval(), revision, device, dtype, processor)
        folder = folder_of(entry.repository) or downloaded(entry, revision)
        pipeline = _opener(entry, role).from_pretrained(folder, variant=entry.variant, **_absent(folder), **options)
    if role in (None, entry.role) and type(pipeline).__name__ != entry.pipeline:
        raise ModelError(f"{entry.name}: the catalog says {entry.pipeline}, {folder} is a {type(pipeline).__name__}")
    connected = _connected(folder, entry)
    if entry.adapter:
        _lay_over(pipeline, entry)
    return Loaded(entry, configured(pipeline, entry, device), revision, device, dtype, connected=connected)


def configured(pipeline: Any, entry: Entry, device: str) -> Any:
    """The pipeline on its device with the entry's settings. Raises ModelError: no such scheduler or back-end."""
    import diffusers

    pipeline.set_progress_bar_config(disable=True)
    if entry.scheduler:
        scheduler = getattr(diffusers, entry.scheduler.name, None)
        if scheduler is None:
            raise ModelError(f"{entry.name}: diffusers has no scheduler {entry.scheduler.name}")
        pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **entry.scheduler.arguments)
    if entry.vae_slicing:
        pipeline.vae.enable_slicing()
    if entry.vae_tiling:
        pipeline.vae.enable_tiling()
    backbones = [getattr(pipeline, name) for name in BACKBONES if getattr(pipeline, name, None) is not None]
    if entry.attention_backend:
        for backbone in backbones:
            try:
                backbone.set_attention_backend(entry.attention_backend)
            except (ValueError, RuntimeError, ImportError) as error:
                raise ModelError(f"{entry.name}: attention_backend {entry.attention_backend}: {error}") from error
    if entry.cpu_offload == "none" or device == "cpu":
        pipeline.to(device)
    elif entry.cpu_offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    if entry.compile:
        for backbone in backbones:
            backbone.compile()
    return pipeline


def adapter_sha256(entry: Entry) -> str:
    """What an entry's adapter is known by, wherever its file lies. Raises ModelError: no such file."""
    return _sha256(_adapter(entry))


@cache
def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _adapter(entry: Entry) -> Path:
    file = Path(str(entry.adapter)).expanduser()
    if file.suffix != ".safetensors" or not file.is_file():
        raise ModelError(f"{entry.name}: the adapter {file} is not there, or no LoRA weights in safetensors")
    return file


def _lay_over(pipeline: Any, entry: Entry) -> None:
    """Adds the adapter to the weights of the pipeline. Raises ModelError: it belongs to another kind of model."""
    file = _adapter(entry)
    with explained(str(file), f"an adapter of {entry.repository}"):
        pipeline.load_lora_weights(file.parent, weight_name=file.name, use_safetensors=True)
        if not pipeline.get_list_adapters():
            raise ModelError(f"{entry.name}: the adapter {file} has no weights for a {entry.pipeline}")
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()


def latents(vae: Any, pixels: Any) -> Any:
    """What an autoencoder makes of pixels (n, 3, h, w) from -1 to 1, as its denoiser knows it; nothing is drawn."""
    import torch

    with torch.inference_mode():
        coded = vae.encode(pixels.to(vae.device, vae.dtype))
        clean = coded.latent_dist.mode() if hasattr(coded, "latent_dist") else coded.latents
        return (clean - (getattr(vae.config, "shift_factor", None) or 0)) * vae.config.scaling_factor


def _opener(entry: Entry, role: Role | None) -> Any:
    """AutoPipelineFor… of the role, or the class that the entry names where there is none of it for that role."""
    import diffusers

    wanted = role or entry.role
    if wanted in AUTO and (wanted != entry.role or entry.pipeline in supported(wanted)):
        return getattr(diffusers, f"AutoPipelineFor{AUTO[wanted]}")
    return pipeline_class(entry)


def supported(role: Role) -> set[str]:
    """Names of the pipelines that diffusers opens in a role by itself."""
    from diffusers.pipelines import auto_pipeline

    mapping = getattr(auto_pipeline, f"AUTO_{AUTO[role].upper()}_PIPELINES_MAPPING".replace("INPAINTING", "INPAINT"))
    return {pipeline.__name__ for pipeline in mapping.values()}


def _absent(folder: Path) -> dict[str, None]:
    """Components that a pipeline is meant to lack: some classes open without them only when they are told so."""
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    return {name: None for name, component in index.items() if component == [None, None]}


def downloaded(entry: Entry, revision: str) -> Path:
    """The folder of a diffusers pipeline of the Hub, fetched where it is not in the local cache yet."""
    from diffusers import DiffusionPipeline

    name_in_cache(entry.repository, entry.revision, "model_index.json")
    options = {"variant": entry.variant, "use_safetensors": True, "trust_remote_code": False}
    return Path(DiffusionPipeline.download(entry.repository, revision=revision, **options))


def _connected(folder: Path, entry: Entry) -> tuple[tuple[str, str], ...]:
    """The repositories that a decoder's card names, each with its commit.

    Raises ModelError: the catalog does not name them, so that their commits would not be part of the key.
    """
    named: tuple[str, ...] = ()
    if (folder / "README.md").is_file():
        from huggingface_hub import ModelCard

        card = ModelCard.load(folder / "README.md", ignore_metadata_errors=True).data
        named = tuple(name for key in CONNECTED for name in getattr(card, key, None) or ())
    if set(named) - set(entry.connected):
        raise ModelError(
            f"{entry.name}: its card names {', '.join(named)}, to be loaded along: say so under connected in {CATALOG}"
        )
    return tuple((name, revision_of(name)) for name in named)


def _model(entry: Entry, revision: str, options: dict[str, Any]) -> tuple[Any, Any]:
    import transformers

    library: Any = transformers
    auto = pipeline_class(entry)
    if auto is None:
        raise ModelError(f"{entry.name} is a {entry.pipeline} of our own: corpusmith.models.text.classify opens it")
    folder = folder_of(entry.repository)
    source: dict[str, Any] = {"pretrained_model_name_or_path": folder or entry.repository}
    if folder is None:
        source["revision"] = revision
    model = auto.from_pretrained(**source, variant=entry.variant, **options)
    return model, library.AutoProcessor.from_pretrained(**source, trust_remote_code=False)


def _quiet() -> None:
    import diffusers
    import transformers

    libraries: tuple[Any, ...] = (diffusers, transformers)
    for library in libraries:
        library.utils.logging.disable_progress_bar()
    # it warns of each part of a pipeline that an adapter leaves as it is; one that fits nothing is an error here
    logging.getLogger("diffusers.loaders.lora_base").setLevel(logging.ERROR)
