"""Tiny random pipelines in the formats of the published ones, and catalog entries that open them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
