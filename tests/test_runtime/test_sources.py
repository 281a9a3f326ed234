import cv2
import numpy as np
import pytest

from runtime.inputs import open_source
from runtime.sources import FolderSource, VideoSource
from sa3dhp_edge.errors import InputError


@pytest.mark.parametrize("fps", [10.0, 25.0, 60.0])
def test_every_frame_of_a_video_is_given_with_its_time(video_of, fps):
    path = video_of([(100 + i, 120) for i in range(20)], fps)
    with VideoSource(path) as source:
        frames = list(source)
    assert [f.index for f in frames] == list(range(20))
    assert np.allclose([f.time_s for f in frames], np.arange(20) / fps, atol=1e-3)
    assert source.fps == pytest.approx(fps, rel=1e-3)
    assert source.size_wh == (320, 240)
    assert source.corrupt == 0


def test_seek_continues_at_the_asked_time(video_of):
    path = video_of([(100 + i, 120) for i in range(60)])
    with VideoSource(path) as source:
        source.seek(1.0)
        frame = next(iter(source))
    assert frame.time_s == pytest.approx(1.0, abs=0.04)
    bright = np.flatnonzero(frame.image_bgr[120, :, 0] > 150)
    assert bright.mean() == pytest.approx(100 + 30 * frame.time_s, abs=2)


def test_a_missing_file_garbage_and_an_empty_file_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        VideoSource(tmp_path / "no.mp4")
    for content in (b"", b"this is no video" * 100):
        path = tmp_path / "bad.mp4"
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not a video") as e:
            VideoSource(path)
        assert "hint" in str(e.value)


def test_a_video_without_frames_is_an_input_error(tmp_path):
    path = tmp_path / "none.avi"
    cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 64)).release()
    with pytest.raises(InputError):
        VideoSource(path)


def test_a_truncated_video_gives_what_it_has(video_of, tmp_path):
    whole = video_of([(100 + i, 120) for i in range(60)], name="whole.avi")
    path = tmp_path / "cut.avi"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with VideoSource(path) as source:
        frames = list(source)
    assert 0 < len(frames) < 60


def test_a_folder_of_pictures_is_a_source_and_a_damaged_picture_is_counted(tmp_path):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((20, 30, 3), 80 * i, np.uint8))
    (tmp_path / "1.png").write_bytes(b"no")
    with open_source(video=tmp_path) as source:
        frames = list(source)
    assert [f.index for f in frames] == [0, 2]
    assert source.corrupt == 1
    cv2.imwrite(str(tmp_path / "3.png"), np.zeros((40, 30, 3), np.uint8))
    with FolderSource(tmp_path) as source, pytest.raises(InputError, match="30 x 40"):
        list(source)


def test_an_empty_folder_and_two_inputs_are_refused(tmp_path):
    with pytest.raises(InputError, match="no picture"):
        open_source(video=tmp_path)
    with pytest.raises(InputError, match="exactly one"):
        open_source(camera=0, video=tmp_path)
