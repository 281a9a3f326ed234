"""How does a loss see many frames at once in the memory of a few? Each chunk of them is read twice.

E_m couples the frames of a window, and a contrast those of a batch. The first pass keeps what G says and forgets how it
came to say it; on the way back each chunk is read again with the gradient of its own latents, and only that chunk's
activations are held (method, section 7). One pass forward more is the price.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sa3dhp_edge.networks.image_to_latent import Reading


def two_pass(read: Callable[[Tensor], Reading], images: Tensor, chunk: int) -> Reading:
    """What `read(images)` says, with equal gradients, in the memory of `chunk` pictures at a time.

    Args:
        read: G, or what prepares pictures for it; of frozen batch statistics, so that a picture's reading does not
            depend on those beside it, and the same at both readings.
        images: (b, 3, S, S).
        chunk: pictures that are read together; where `images` are no more than that, they are read once.
    """
    assert chunk > 0
    if len(images) <= chunk or not torch.is_grad_enabled():
        return read(images)
    parts = [
        checkpoint(read, part, use_reentrant=False, preserve_rng_state=False)  # nothing random happens in G
        for part in images.split(chunk)
    ]
    return Reading._make(None if column[0] is None else torch.cat(column) for column in zip(*parts, strict=True))
