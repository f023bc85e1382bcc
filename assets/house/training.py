"""A training loop that can be stopped and gone on with, for networks that learn on a laptop's cores or on a GPU."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar

Held = TypeVar("Held")

WORK: Final = Path("build/house-images")
"""Where drawings, latents and checkpoints are kept."""
SAVE_EVERY: Final = 250
CUT_NORM: Final = 1.0
INNER: Final = re.compile(r"transformer_blocks|(encoder|vit)\.layers\.")


def device() -> str:
    """Where to train: a GPU when there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def moved(batch: Held, where: str) -> Held:
    """A batch on another device: a tensor, or a dataclass or a dict of such."""
    import torch

    held: Any = batch
    if isinstance(held, torch.Tensor):
        return held.to(where)
    if isinstance(held, dict):
        return type(held)({name: moved(part, where) for name, part in held.items()})
    return dataclasses.replace(held, **{part.name: moved(getattr(held, part.name), where) for part in fields(held)})


def train(
    network: Any,
    loss: Callable[[int], Any],
    *,
    steps: int,
    rate: float,
    checkpoint: Path,
    average: float | None = None,
    early: int | None = None,
    warm_up: int = 200,
    save_every: int = SAVE_EVERY,
) -> tuple[Any, Any]:
    """``network`` trained for so many steps, and as it was after ``early`` of them: two state dicts.

    loss(step) draws its batch from the step's number alone, so that a run which goes on from ``checkpoint`` sees what
    an unbroken run would have seen. average: the decay of an exponential moving average of the weights, which is then
    what is returned. The rate rises for ``warm_up`` steps and falls as a cosine to a hundredth.
    """
    import torch

    optimizers = _optimizers(network, rate)
    kept = {name: value.detach().clone() for name, value in network.state_dict().items()}
    first, at_early, where = 0, None, next(network.parameters()).device
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=where)
        network.load_state_dict(state["network"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        kept, at_early, first = state["average"], state["early"], state["step"]
    network.train()
    began, running = time.monotonic(), math.nan
    for step in range(first, steps):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = rate * _schedule(step, steps, warm_up)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=where.type == "cuda"):
            value = loss(step)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CUT_NORM)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        decay = 0.0 if average is None else min(average, (1 + step) / (10 + step))
        _average(kept, network.state_dict(), decay)
        running = value.item() if math.isnan(running) else 0.98 * running + 0.02 * value.item()
        if step % min(100, save_every) == 0 or step == steps - 1:
            print(
                f"step {step}/{steps} loss {running:.4f} {(time.monotonic() - began) / (step - first + 1):.3f} s/step",
                flush=True,
            )
        if step + 1 == early:
            at_early = {name: weights.clone() for name, weights in kept.items()}
        if (step + 1) % save_every == 0 or step == steps - 1:
            state = {"network": network.state_dict(), "optimizers": [each.state_dict() for each in optimizers]}
            _save({**state, "average": kept, "early": at_early, "step": step + 1}, checkpoint)
    network.eval()
    return kept, at_early


def _optimizers(network: Any, rate: float) -> list[Any]:
    """Muon (Jordan et al. 2024) for the matrices of a transformer's blocks, AdamW for all else."""
    import torch

    named = dict(network.named_parameters())
    inner = [name for name, weights in named.items() if weights.ndim == 2 and INNER.search(name)]
    others = [weights for name, weights in named.items() if name not in inner]
    made: list[Any] = [torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)]
    if inner:
        matrices = [named[name] for name in inner]
        made.append(torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"))
    return made


def _schedule(step: int, steps: int, warm_up: int) -> float:
    rise = min((step + 1) / warm_up, 1.0)
    return rise * (0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)


def _average(kept: dict[str, Any], now: dict[str, Any], decay: float) -> None:
    import torch

    floats = [name for name in kept if kept[name].is_floating_point()]
    torch._foreach_lerp_([kept[name] for name in floats], [now[name] for name in floats], 1 - decay)


def _save(state: dict[str, Any], checkpoint: Path) -> None:
    import torch

    part = checkpoint.with_suffix(".part")
    torch.save(state, part)
    part.replace(checkpoint)
