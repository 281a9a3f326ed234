"""The person detector's training: frames and their truth, what its maps should be, and a run from start to file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from runtime.backends.onnx_runtime import OnnxBackend
from runtime.detector import peaks
from runtime.finder import overlap
from sa3dhp_edge.crop import square_box
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.jobs import crowd_set as drawing
from sa3dhp_edge.jobs.crowd_set import CrowdSet
from sa3dhp_edge.jobs.person_answers import LEAST_SEEN, answer, batch_of
from sa3dhp_edge.jobs.train_detector import PersonNetConfig, as_onnx, heat_loss, train_person_net
from sa3dhp_edge.motion.load import unpaired_motion
from sa3dhp_edge.networks.person_net import PersonNet
from sa3dhp_edge.synth.crowd_frames import MOST_PEOPLE, crowd_frames

SIZE_WH = (256, 160)


@pytest.fixture(scope="module")
def crowds() -> CrowdSet:
    """A few drawn frames."""
    motion = unpaired_motion(None, 20.0, 0)
    frames = [frame for scene in range(4) for frame in crowd_frames(motion, 5, scene, 2, drawing.FRAME_WH)]
    joints = np.full((len(frames), MOST_PEOPLE, 17, 2), np.nan, np.float32)
    seen = np.zeros((len(frames), MOST_PEOPLE, 17), np.bool_)
    for i, frame in enumerate(frames):
        joints[i, : len(frame.joints_px)], seen[i, : len(frame.seen)] = frame.joints_px, frame.seen
    return CrowdSet(np.stack([frame.image_bgr for frame in frames]), joints, seen)


def person(x: float, y: float, size: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-size / 2, size / 2, (17, 2)).astype(np.float32) + np.float32([x, y])


def maps_of(made) -> np.ndarray:
    """Maps of a network that answers just so."""
    logit = np.log(made.heat.clip(1e-6, 1 - 1e-6) / (1 - made.heat.clip(1e-6, 1 - 1e-6)))
    return np.concatenate([logit[None], made.square]).astype(np.float32)


def test_the_device_reads_from_the_answer_the_squares_that_went_in() -> None:
    people = [person(60, 80, 70), person(190, 60, 40, 1), person(250, 120, 90, 2)]  # the last is cut by the border
    seen = np.ones((3, 17), np.bool_)
    found = peaks(maps_of(answer(np.stack(people), seen, SIZE_WH)), 0.9)
    assert len(found) == 3
    for joints in people:
        assert max(overlap(c.box, square_box(joints)) for c in found) > 0.99


def test_who_is_hardly_seen_is_neither_asked_for_nor_forbidden() -> None:
    joints, seen = person(120, 80, 80)[None], np.zeros((1, 17), np.bool_)
    hidden = answer(joints, seen, SIZE_WH)
    assert not hidden.heat.any()
    assert not hidden.ignored.any()
    seen[0, : LEAST_SEEN - 1] = True
    hardly = answer(joints, seen, SIZE_WH)
    assert not hardly.heat.any()
    assert hardly.ignored[10, 15]
    seen[0, :LEAST_SEEN] = True
    assert answer(joints, seen, SIZE_WH).heat.max() == 1


def test_the_loss_is_least_for_the_right_answer_and_blind_where_told() -> None:
    heat, ignored = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool)
    heat[0, 1, 1] = 1
    right = torch.where(heat >= 1, 9.0, -9.0)
    wrong = right.clone()
    wrong[0, 3, 3] = 9.0
    assert heat_loss(right, heat, ignored) < 1e-3 < 1.0 < heat_loss(wrong, heat, ignored)
    ignored[0, 3, 3] = True
    assert heat_loss(wrong, heat, ignored) < 1e-3


def test_a_scene_is_a_function_of_its_number_and_people_are_seen_inside_the_frame_alone(crowds: CrowdSet) -> None:
    motion = unpaired_motion(None, 20.0, 0)
    again = [next(crowd_frames(motion, 5, scene, 2, drawing.FRAME_WH)) for scene in range(2)]
    assert np.array_equal(again[0].image_bgr, crowds.images_bgr[0])
    assert not np.array_equal(again[0].image_bgr, again[1].image_bgr)
    w, h = drawing.FRAME_WH
    inside = ((crowds.joints_px > -3) & (crowds.joints_px < [w + 3, h + 3])).all(-1)
    assert crowds.seen.sum() > 50
    assert not (crowds.seen & ~inside).any()


def test_a_batch_is_a_function_of_seed_and_step(crowds: CrowdSet) -> None:
    first, again, other = (batch_of(crowds, 4, 0, step) for step in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].shape != other[0].shape or not torch.equal(first[0], other[0])
    assert first[1].shape[-2:] == (first[0].shape[2] // 8, first[0].shape[3] // 8)


def test_training_learns_and_the_file_computes_the_same(crowds: CrowdSet, tmp_path: Path) -> None:
    cfg, losses = PersonNetConfig(scenes=1, steps=40, batch=4, lr=3e-3, warm_up=1), {}

    def report(step: int, told: dict[str, float]) -> None:
        losses[step] = told["found"]

    torch.manual_seed(0)
    net = PersonNet(8)
    train_person_net(net, crowds, cfg, tmp_path / "state", report)
    assert np.mean([losses[s] for s in range(34, 40)]) < 0.85 * np.mean([losses[s] for s in range(4)])
    assert not (tmp_path / "state").exists()
    file = tmp_path / "net.onnx"
    file.write_bytes(as_onnx(net).SerializeToString())
    for h, w in ((64, 96), (160, 256), (224, 176)):
        picture = np.random.default_rng(0).standard_normal((1, 3, h, w)).astype(np.float32)
        maps = OnnxBackend(file).infer({"image": picture})["maps"]
        with torch.no_grad():
            assert np.allclose(maps, net(torch.from_numpy(picture)).numpy(), atol=2e-3)


def test_no_steps_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        PersonNetConfig(steps=0)
