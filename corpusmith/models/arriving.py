"""Images on their way from an accelerator, so that it goes on drawing while they are copied and encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Arriving:
    """An image that may still be on its way from an accelerator: an array (height, width, 3), float32, once asked."""

    pixels: Any
    """A tensor (3, height, width) in the memory of the host."""
    copied: Any
    """The event of torch.cuda that says when it is whole; None: it is."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
        if self.copied is not None:
            self.copied.synchronize()
        return np.asarray(self.pixels.permute(1, 2, 0).float().numpy(), dtype)


def arriving(images: Any) -> list[Arriving]:
    """Images of a tensor (n, 3, height, width), being copied to the host while the next ones are begun."""
    import torch

    if images.device.type != "cuda":
        return [Arriving(image, None) for image in images.cpu()]
    host = torch.empty(images.shape, dtype=images.dtype, pin_memory=True)
    host.copy_(images, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()
    return [Arriving(image, copied) for image in host]
