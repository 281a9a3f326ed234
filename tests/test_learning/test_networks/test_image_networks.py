"""Both forms of G answer with a Reading, and the paper's one takes ImageNet weights or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sa3dhp_edge.adaptation.views import normalised
from sa3dhp_edge.config import ImageConfig
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.networks.image_to_latent import EdgeG, PaperG, image_network, project
from sa3dhp_edge.networks.pose_autoencoder import LATENT, PoseEncoder
from sa3dhp_edge.networks.resnet import ResNet50ToRes4


@pytest.mark.parametrize("crop_px", [64, 128])
def test_the_edge_network_reads_joints_and_a_latent(crop_px: int) -> None:
    torch.manual_seed(0)
    g = image_network(ImageConfig(width=8, crop_px=crop_px))
    assert isinstance(g, EdgeG)
    g.eval()
    with torch.no_grad():
        reading = g(torch.randn(3, 3, crop_px, crop_px))
    assert reading.z.shape == (3, LATENT)
    assert reading.camera.shape == (3, 3)
    assert reading.feature.shape == (3, g.features)
    assert reading.joints_uv is not None
    assert reading.depth_uv is not None
    assert reading.score is not None
    assert reading.joints_uv.shape == (3, 17, 2)
    assert float(reading.joints_uv.abs().max()) < 1
    assert not reading.depth_uv[:, 0].any()
    assert 0 < float(reading.score.min()) <= float(reading.score.max()) <= 1
    assert float(reading.camera[:, 0].min()) > 0


def test_the_edge_latent_begins_as_the_encoders_of_what_it_sees() -> None:
    torch.manual_seed(0)
    g, e_p = EdgeG(ImageConfig(width=8, crop_px=64)), PoseEncoder()
    g.start_from(e_p)
    g.eval()
    with torch.no_grad():
        reading = g(torch.randn(2, 3, 64, 64))
        assert reading.joints_uv is not None
        assert reading.depth_uv is not None
        seen = torch.cat([reading.joints_uv, reading.depth_uv[..., None]], -1)
        torch.testing.assert_close(reading.z, e_p(seen))


def test_soft_argmax_centres_are_the_middles_of_the_cells() -> None:
    """A map with one sure cell says that cell's middle, at both finenesses."""
    for crop_px, cells in ((64, 16), (128, 16)):
        maps = EdgeG(ImageConfig(width=8, crop_px=crop_px)).joints
        assert maps.centres.shape == (cells,)
        torch.testing.assert_close(maps.centres, (torch.arange(cells) * 2 + 1) / cells - 1)


def test_the_papers_network_has_its_size_and_no_2d() -> None:
    torch.manual_seed(0)
    g = image_network(ImageConfig(backbone="resnet50", crop_px=224))
    assert isinstance(g, PaperG)
    assert sum(p.numel() for p in g.parameters()) / 1e6 == pytest.approx(18.7, abs=0.5)
    assert sum(p.numel() for p in g.backbone.layer2.parameters()) / 1e6 == pytest.approx(1.2, abs=0.05)
    g.eval()
    with torch.no_grad():
        reading = g(torch.randn(1, 3, 224, 224))
    assert reading.z.shape == (1, LATENT)
    assert reading.feature.shape == (1, 1024)
    assert reading.joints_uv is reading.depth_uv is reading.score is None
    assert float(reading.camera[0, 0]) > 0


@pytest.fixture(scope="module")
def imagenet() -> dict[str, torch.Tensor]:
    """A state dict as torchvision's: the backbone's names, and more."""
    torch.manual_seed(1)
    state = {k: v.clone() for k, v in ResNet50ToRes4().state_dict().items()}
    return state | {"fc.weight": torch.zeros(10, 4), "fc.bias": torch.zeros(10), "layer4.0.conv1.weight": torch.ones(1)}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("counts", [True, False])
def test_imagenet_weights_are_taken_from_either_format(
    suffix: str, counts: bool, imagenet: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """With batch counts or, as older files are, without."""
    given = {k: v for k, v in imagenet.items() if counts or not k.endswith("num_batches_tracked")}
    path = tmp_path / f"resnet50{suffix}"
    save_file(given, path) if suffix == ".safetensors" else torch.save(given, path)
    torch.manual_seed(2)
    backbone = ResNet50ToRes4()
    backbone.load_imagenet(path)
    assert all(torch.equal(v, imagenet[k]) for k, v in backbone.state_dict().items())


def test_files_that_are_no_resnet50_are_refused(imagenet: dict[str, torch.Tensor], tmp_path: Path) -> None:
    backbone = ResNet50ToRes4()
    with pytest.raises(InputError, match="no ImageNet weights at"):
        backbone.load_imagenet(tmp_path / "none.pth")
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("these are no weights at all")
        with pytest.raises(InputError, match="cannot be read"):
            backbone.load_imagenet(tmp_path / name)
    save_file({k: v for k, v in imagenet.items() if "layer3.5" not in k}, tmp_path / "resnet34.safetensors")
    torch.save(imagenet | {"conv1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "small_stem.pth")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    for name in ("resnet34.safetensors", "small_stem.pth", "list.pth"):
        with pytest.raises(InputError, match="no torchvision ResNet-50"):
            backbone.load_imagenet(tmp_path / name)


def test_the_backbone_sees_pictures_as_imagenet_weights_know_them() -> None:
    """Whatever the project's normalisation is, and nothing of it in the weights' file."""
    torch.manual_seed(0)
    g = PaperG(ImageConfig(backbone="resnet50", crop_px=64))
    g.eval()
    seen: list[torch.Tensor] = []
    g.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    picture = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        g(normalised(picture))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(seen[0], (picture - mean.view(3, 1, 1)) / std.view(3, 1, 1), atol=1e-5, rtol=0)
    assert not {"gain", "offset"} & set(g.state_dict())


def test_projection_is_in_metres_times_scale() -> None:
    pose = torch.zeros(1, 17, 3)
    pose[0, 1] = torch.tensor([500.0, -1000.0, 300.0])
    uv = project(pose, torch.tensor([[0.8, 0.1, 0.2]]))
    torch.testing.assert_close(uv[0, :2], torch.tensor([[0.1, 0.2], [0.5, -0.6]]))
