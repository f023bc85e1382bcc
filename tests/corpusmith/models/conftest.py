"""Tiny random pipelines in the formats of the published ones, catalog entries that open them, and a Hub of our own."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from corpusmith.models.catalog import Entry

WORDS = ("a", "portrait", "of", "happy", "sad", "angry", "man", "woman", ",", "in", "the", "street")


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<start>", "<end>", "<unknown>", *WORDS]
    words = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    special = {"bos_token": "<start>", "eos_token": "<end>", "unk_token": "<unknown>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=12, **special)


def text_encoder(projection: int | None = None) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPTextConfig(
        vocab_size=4 + len(WORDS),
        max_position_embeddings=12,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        projection_dim=projection or 16,
        **sizes,
    )
    return CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)


def autoencoder(channels: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=channels,
        shift_factor=0.0,
    )


def unet_pipeline(seed: int) -> Any:
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=16,
    )
    scheduler = DDIMScheduler(clip_sample=False, beta_schedule="scaled_linear", steps_offset=1)
    parts = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return StableDiffusionPipeline(autoencoder(4), text_encoder(), tokenizer(), unet, scheduler, **parts)


def variation_pipeline(seed: int) -> Any:
    from diffusers import StableDiffusionImageVariationPipeline
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

    plain = unet_pipeline(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    eyes = CLIPVisionModelWithProjection(CLIPVisionConfig(image_size=32, patch_size=16, projection_dim=16, **sizes))
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return StableDiffusionImageVariationPipeline(
        plain.vae, eyes, plain.unet, plain.scheduler, None, processor, requires_safety_checker=False
    )


def flow_pipeline(seed: int) -> Any:
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(seed)
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    )
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    encoders = (text_encoder(16), tokenizer(), text_encoder(16), tokenizer(), None, None)
    return StableDiffusion3Pipeline(transformer, scheduler, autoencoder(4), *encoders)


def distilled_pipeline(seed: int) -> Any:
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(seed)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    t5 = T5EncoderModel(T5Config(vocab_size=32, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4))
    scheduler = FlowMatchEulerDiscreteScheduler()
    return FluxPipeline(scheduler, autoencoder(4), text_encoder(), tokenizer(), t5, tokenizer(), transformer)


@pytest.fixture(scope="session")
def flux_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FLUX pipeline of 64 px whose transformer takes the guidance as an input."""
    folder = tmp_path_factory.mktemp("pipelines") / "flux"
    distilled_pipeline(0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def variation_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline of 64 px that sees an image of 32 px where others read a text."""
    folder = tmp_path_factory.mktemp("pipelines") / "variation"
    variation_pipeline(0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def unet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion pipeline of 64 px, whose UNet has an early variant as well."""
    folder = tmp_path_factory.mktemp("pipelines") / "unet"
    unet_pipeline(0).save_pretrained(folder)
    unet_pipeline(1).unet.save_pretrained(folder / "unet", variant="early")
    return folder


@pytest.fixture(scope="session")
def flow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion 3 pipeline of 64 px with two CLIP text encoders and no T5."""
    folder = tmp_path_factory.mktemp("pipelines") / "flow"
    flow_pipeline(0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def entry_of() -> Callable[..., Entry]:
    """A catalog entry for a local folder; keyword arguments are fields laid over it."""

    def entry(folder: Path | str, **fields: Any) -> Entry:
        plain: dict[str, Any] = {
            "name": "tiny",
            "role": "text_to_image",
            "repository": str(folder),
            "pipeline": "StableDiffusionPipeline",
            "size": 64,
            "steps": 2,
            "guidance": 3.0,
            "batch": 4,
            "licence": "apache-2.0",
            "vram_gb": 0.1,
        }
        return Entry(**(plain | fields))

    return entry


class Hub:
    """A server that speaks what huggingface_hub asks of a repository: folders by name, some of them gated."""

    commit = "0123456789abcdef0123456789abcdef01234567"
    token = "hf_that_opens_all"

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.cards: dict[str, dict[str, str]] = {}
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET  # noqa: N815 - the server calls it so

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        name = next((name for name in self.folders if f"/{name}/" in f"{path}/"), None)
        if name is None:
            return self.refuse(request, 404, "RepoNotFound")
        open_ = name not in self.gated or request.headers.get("Authorization") == f"Bearer {self.token}"
        rest = path.partition(name)[2].strip("/")
        kind, _, tail = rest.partition("/")
        if kind == "resolve":
            file = tail.partition("/")[2]
            found = self.folders[name] / file
            if not found.is_file():
                return self.refuse(request, 404, "EntryNotFound")
            if not open_:
                return self.refuse(request, 403, "GatedRepo")
            if request.command == "GET":
                self.fetched.append(f"{name}/{file}")
            return self.send(request, found.read_bytes())
        if kind == "auth-check":
            return self.send(request, b"{}") if open_ else self.refuse(request, 403, "GatedRepo")
        if kind in ("revision", "tree") and tail not in ("main", self.commit):
            return self.refuse(request, 404, "RevisionNotFound")
        files = sorted(file for file in self.folders[name].rglob("*") if file.is_file())
        names = [file.relative_to(self.folders[name]).as_posix() for file in files]
        if kind == "tree":
            sizes = [file.stat().st_size for file in files]
            told: Any = [
                {"type": "file", "path": file, "size": size, "oid": file}
                for file, size in zip(names, sizes, strict=True)
            ]
        else:
            siblings = [
                {"rfilename": name, "size": file.stat().st_size} for name, file in zip(names, files, strict=True)
            ]
            gated = "auto" if name in self.gated else False
            card = self.cards.get(name, {"license": "apache-2.0"})
            told = {"id": name, "sha": self.commit, "gated": gated, "siblings": siblings, "cardData": card, "tags": []}
        self.send(request, json.dumps(told).encode(), "application/json")

    def send(self, request: BaseHTTPRequestHandler, body: bytes, kind: str = "application/octet-stream") -> None:
        request.send_response(200)
        headers = {"Content-Type": kind, "Content-Length": len(body), "X-Repo-Commit": self.commit}
        for header, value in (headers | {"ETag": f'"{hashlib.sha1(body).hexdigest()}"'}).items():
            request.send_header(header, str(value))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def refuse(self, request: BaseHTTPRequestHandler, status: int, code: str) -> None:
        request.send_response(status)
        request.send_header("X-Error-Code", code)
        request.send_header("Content-Length", "0")
        request.end_headers()


@pytest.fixture
def model_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """An empty Hub with an empty cache and no token."""
    from huggingface_hub import constants, hf_api

    from corpusmith.models import loading

    hub = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(hf_api.api, "endpoint", hub.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    loading.revision_of.cache_clear()
    yield hub
    loading.revision_of.cache_clear()
    hub.server.shutdown()
    hub.server.server_close()
