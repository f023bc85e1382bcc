"""The image generators before training: networks, text encoders and schedulers in published pipelines' formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

LONGEST: Final = 32
"""Tokens of a prompt; the longest caption has 31."""
TEXT_WIDTH: Final = 64
STEPS_OF_NOISE: Final = 1000
WORD: Final = r"[\w-]+"
UNREAD: Final = ("a", "an", "and", "at", "in", "of", "on", "the", "to", "with")
"""Words that say nothing here: without them a prompt is a third shorter, and attention cheaper."""


@dataclass(frozen=True)
class Generator:
    """One generator: its pipeline in diffusers, the autoencoder it works in, its network, and how noise is added.

    network(channels) and scheduler() build the diffusers objects; seed decides the first weights and every batch; steps
    is how long it learns: a transformer learns shapes more slowly.
    """

    pipeline: str
    autoencoder: str
    network: Callable[[int], Any]
    scheduler: Callable[[], Any]
    seed: int
    steps: int

    @property
    def is_flow(self) -> bool:
        """Whether it is a transformer that learns by flow matching, and reads words as T5 does."""
        return self.pipeline == "FluxPipeline"


def unet(channels: int, widths: tuple[int, ...], attention: tuple[bool, ...]) -> Any:
    """A UNet2DConditionModel of one residual block a level; ``attention`` says which levels see the prompt's words.

    Every block sees the prompt as a whole as well, pooled into the time embedding that scales and shifts it: a network
    this small learned expressions from its attention alone too slowly (2,500 steps: none).
    """
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=channels,
        down_block_types=tuple("CrossAttnDownBlock2D" if seen else "DownBlock2D" for seen in attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if seen else "UpBlock2D" for seen in reversed(attention)),
        block_out_channels=widths,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def transformer(channels: int) -> Any:
    """A FluxTransformer2DModel on patches of two by two latents: words and patches in one attention, rotary places."""
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        patch_size=1,  # the pipeline packs the patches
        in_channels=4 * channels,
        num_layers=1,
        num_single_layers=4,
        attention_head_dim=24,
        num_attention_heads=4,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        axes_dims_rope=(4, 10, 10),
    )


def discrete(prediction: str, schedule: str) -> Any:
    """A DPMSolver++ scheduler (Lu et al. 2022, arXiv 2211.01095) over STEPS_OF_NOISE steps."""
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        num_train_timesteps=STEPS_OF_NOISE,
        beta_schedule=schedule,
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type=prediction,
        timestep_spacing="trailing",
        steps_offset=1,  # says nothing where spacing is trailing; without it the pipeline warns
    )


def flow() -> Any:
    """The Euler scheduler of rectified flow (Liu et al. 2022, arXiv 2209.03003)."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=STEPS_OF_NOISE, shift=1.0)


GENERATORS: Final[Mapping[str, Generator]] = {
    "epsilon": Generator(
        "StableDiffusionPipeline",
        "narrow",
        lambda channels: unet(channels, (48, 72), (False, True)),
        lambda: discrete("epsilon", "scaled_linear"),
        seed=101,
        steps=12_000,
    ),
    "velocity": Generator(
        "StableDiffusionPipeline",
        "narrow",
        lambda channels: unet(channels, (40, 56), (False, True)),
        lambda: discrete("v_prediction", "squaredcos_cap_v2"),
        seed=102,
        steps=14_000,
    ),
    "flow": Generator("FluxPipeline", "wide", transformer, flow, seed=103, steps=21_000),
}


def tokenizer(prompts: Sequence[str]) -> Any:
    """A tokenizer of whole words, lower case, that knows every word of ``prompts``: padded to LONGEST."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Split(Regex(rf"\b(?!(?:{'|'.join(UNREAD)})\b){WORD}"), behavior="removed", invert=True)
    found = pl.Series("prompt", prompts).unique().str.to_lowercase().str.extract_all(WORD)
    words = set(found.explode().drop_nulls().unique()) - set(UNREAD)
    special = ["<pad>", "<start>", "<unknown>", "<end>"]
    vocabulary = {word: place for place, word in enumerate([*special[:3], *sorted(words), special[3]])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    inner.normalizer, inner.pre_tokenizer = normalizers.Lowercase(), split
    inner.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[(name, vocabulary[name]) for name in ("<start>", "<end>")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unknown>",
        model_max_length=LONGEST,
    )


def text_encoder(words: Any) -> Any:
    """A CLIP text encoder of three layers with random weights."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=LONGEST,
            pad_token_id=words.pad_token_id,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
        )
    )


def t5_encoder(words: Any) -> Any:
    """A T5 encoder of two layers with random weights, as the flow generator reads its words."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=len(words),
            d_model=TEXT_WIDTH,
            d_kv=TEXT_WIDTH // 4,
            d_ff=2 * TEXT_WIDTH,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            pad_token_id=words.pad_token_id,
            eos_token_id=words.eos_token_id,
        )
    )
