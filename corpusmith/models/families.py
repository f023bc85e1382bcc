"""Families of pipelines whose networks learn alike: how captions are encoded, and what a network is to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from corpusmith.errors import ModelError
from corpusmith.models.catalog import Entry


class Family(Protocol):
    """Pipelines that are trained alike: one of them, the ``network`` that learns, and as which ``part`` of it.

    encoded: captions as so many ``kinds`` of tensors, one row for each. errors: the mean squared error of each row,
    (n,), for latents (n, c, h, w), as much noise, levels of it between 0 and 1 and the encoded captions of each.
    """

    part: str
    kinds: int
    pipeline: Any
    network: Any

    def encoded(self, captions: Sequence[str]) -> tuple[Any, ...]: ...

    def errors(self, clean: Any, noise: Any, levels: Any, told: Sequence[Any]) -> Any: ...


class StepsOfNoise:
    """A UNet that answers with the noise (epsilon) or the velocity of one of its scheduler's steps."""

    part, kinds = "unet", 1

    def __init__(self, pipeline: Any, entry: Entry) -> None:
        from diffusers import DDPMScheduler

        opener: Any = DDPMScheduler
        self.pipeline, self.network = pipeline, pipeline.unet
        self.scheduler: Any = opener.from_config(pipeline.scheduler.config)
        if self.scheduler.config.prediction_type not in ("epsilon", "v_prediction"):
            raise ModelError(
                f"{entry.name} predicts {self.scheduler.config.prediction_type}; fine-tuning knows epsilon and "
                "v_prediction"
            )

    def encoded(self, captions: Sequence[str]) -> tuple[Any, ...]:
        """The embeddings of the words, (n, words, d)."""
        device = self.pipeline._execution_device
        return (self.pipeline.encode_prompt(list(captions), device, 1, False)[0],)

    def errors(self, clean: Any, noise: Any, levels: Any, told: Sequence[Any]) -> Any:
        """Of the noise or the velocity, whichever it is to answer."""
        scheduler = self.scheduler
        steps = (levels * scheduler.config.num_train_timesteps).long()
        is_noise = scheduler.config.prediction_type == "epsilon"
        wanted = noise if is_noise else scheduler.get_velocity(clean, noise, steps)
        said = self.network(scheduler.add_noise(clean, noise, steps), steps, encoder_hidden_states=told[0]).sample
        return (said.float() - wanted.float()).square().mean((1, 2, 3))


class Flow:
    """A transformer in the FLUX format that answers with the direction from image to noise (rectified flow)."""

    part, kinds = "transformer", 2

    def __init__(self, pipeline: Any, entry: Entry) -> None:
        self.pipeline, self.network = pipeline, pipeline.transformer
        self.longest = int(entry.arguments.get("max_sequence_length", 512))
        self.guidance = float(entry.guidance or 1.0)

    def encoded(self, captions: Sequence[str]) -> tuple[Any, ...]:
        """The embeddings of the words, (n, words, d), and of the whole, (n, e)."""
        device = self.pipeline._execution_device
        return tuple(
            self.pipeline.encode_prompt(list(captions), None, device=device, max_sequence_length=self.longest)[:2]
        )

    def errors(self, clean: Any, noise: Any, levels: Any, told: Sequence[Any]) -> Any:
        """Of the direction; levels are spread as a logistic normal (Esser et al. 2024, arXiv 2403.03206)."""
        import torch

        pipe, (rows, channels, height, width) = self.pipeline, clean.shape
        times = torch.special.ndtri(levels).sigmoid().view(-1, 1, 1, 1)
        mixed = (1 - times) * clean + times * noise
        guidance = clean.new_full((rows,), self.guidance) if self.network.config.guidance_embeds else None
        said = self.network(
            hidden_states=pipe._pack_latents(mixed, rows, channels, height, width),
            timestep=times.view(-1),
            guidance=guidance,
            pooled_projections=told[1],
            encoder_hidden_states=told[0],
            img_ids=pipe._prepare_latent_image_ids(rows, height // 2, width // 2, mixed.device, mixed.dtype),
            txt_ids=mixed.new_zeros(told[0].shape[1], 3),
        ).sample
        answer = pipe._unpack_latents(said, height, width, vae_scale_factor=1)
        return (answer.float() - (noise - clean).float()).square().mean((1, 2, 3))


FAMILIES: Final[Mapping[str, Callable[[Any, Entry], Family]]] = {
    "StableDiffusionPipeline": StepsOfNoise,
    "FluxPipeline": Flow,
}
