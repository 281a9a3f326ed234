"""Videos without labels: what is found, counted and refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sa3dhp_edge.datasets.video_folder import READER
from sa3dhp_edge.errors import DataError


def _video(path: Path, frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for _ in range(frames):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()


def test_each_video_is_a_take_without_labels(tmp_path: Path) -> None:
    _video(tmp_path / "b.avi", 3)
    _video(tmp_path / "a.AVI", 2)
    (tmp_path / "notes.txt").write_text("x")
    assert READER.recognises(tmp_path)
    assert READER.inventory(tmp_path).takes == ("a.AVI", "b.avi")
    take = READER.read(tmp_path, "b.avi")
    assert (len(take), take.fps, take.size_wh, take.split) == (3, 20, (64, 48), "unlabelled")
    assert take.joints_mm is None
    single = READER.inventory(tmp_path / "b.avi")
    assert single.takes == ("b.avi",)
    assert len(READER.read(tmp_path / "b.avi", "b.avi")) == 3


def test_no_video_and_no_real_video_are_refused(tmp_path: Path) -> None:
    assert not READER.recognises(tmp_path)
    with pytest.raises(DataError, match="has no video"):
        READER.inventory(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"not a video")
    with pytest.raises(DataError, match=r"a\.mp4"):
        READER.read(tmp_path, "a.mp4")
    with pytest.raises(DataError, match="has no video x"):
        READER.read(tmp_path, "x")
