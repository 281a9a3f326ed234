"""Two passes over many pictures: what the loss says and asks for is what one pass says and asks for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sa3dhp_edge.config import ImageConfig
from sa3dhp_edge.networks.image_to_latent import Reading, image_network
from sa3dhp_edge.networks.trainable import unfreeze_only
from sa3dhp_edge.networks.two_pass import two_pass

CROP = 32
EDGE, PAPER = ImageConfig(width=8, crop_px=CROP), ImageConfig(backbone="resnet50", crop_px=CROP)


def gradients(
    g: nn.Module, e_m: nn.Module, images: Tensor, read: Callable[[Tensor], Reading]
) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss that couples all frames of two windows, and every other output; its gradient by parameter."""
    g.zero_grad()
    reading = read(images)
    others = [part for part in reading[1:] if part is not None]
    loss = (e_m(reading.z.view(2, 30, -1)) @ torch.ones(128)).prod() + sum(part.var() for part in others)
    loss.backward()
    return loss.detach(), {k: p.grad.clone() for k, p in g.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("image", "chunk"), [(EDGE, 7), (EDGE, 60), (EDGE, 1), (PAPER, 25)])
@pytest.mark.parametrize("trainable", ["*", "backbone.layer2.*"])
def test_gradients_are_those_of_one_pass(
    image: ImageConfig, chunk: int, trainable: str, frozen: dict[str, nn.Module]
) -> None:
    torch.manual_seed(3)
    g = image_network(image).eval()
    moving = unfreeze_only(g, (trainable,))
    images = torch.randn(60, 3, CROP, CROP)
    loss, wanted = gradients(g, frozen["e_m"], images, g)
    found_loss, found = gradients(g, frozen["e_m"], images, lambda x: two_pass(g, x, chunk))
    assert found.keys() == wanted.keys() <= moving.keys()
    assert float(found_loss) == pytest.approx(float(loss), rel=1e-4)
    for name, gradient in wanted.items():
        assert (found[name] - gradient).norm() <= 1e-3 * gradient.norm() + 1e-7, name


def test_no_more_than_a_chunk_is_remembered_on_the_way() -> None:
    """What autograd keeps for the way back does not grow with the pictures but by their own size."""

    def kept(count: int, chunk: int) -> int:
        total = 0

        def count_in(tensor: Tensor) -> Tensor:
            nonlocal total
            total += tensor.numel()
            return tensor

        images = torch.randn(count, 3, CROP, CROP)
        with torch.autograd.graph.saved_tensors_hooks(count_in, lambda t: t):
            two_pass(g, images, chunk)
        return total

    g = image_network(EDGE).eval()
    whole = kept(16, 16)
    assert kept(16, 4) < 0.2 * whole


def test_each_chunk_is_read_twice_and_without_gradient_once() -> None:
    g = image_network(EDGE).eval()
    seen: list[int] = []

    def read(images: Tensor) -> Reading:
        seen.append(len(images))
        return g(images)

    images = torch.randn(5, 3, CROP, CROP)
    two_pass(read, images, 2).z.sum().backward()
    assert sorted(seen) == [1, 1, 2, 2, 2, 2]
    seen.clear()
    with torch.no_grad():
        assert not two_pass(read, images, 2).z.requires_grad
    assert seen == [5]
