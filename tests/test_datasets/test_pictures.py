from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sa3dhp_edge.datasets.pictures import ImagePictures, VideoPictures
from sa3dhp_edge.errors import DataError

WriteVideo = Callable[[Path, list[np.ndarray], float], Path]


def grey(i: int) -> np.ndarray:
    return np.full((48, 64, 3), 20 * i + 10, np.uint8)


@pytest.fixture
def video(tmp_path: Path, write_video: WriteVideo) -> VideoPictures:
    return VideoPictures(write_video(tmp_path / "v.mp4", [grey(i) for i in range(10)], 25.0))


@pytest.fixture
def images(tmp_path: Path) -> ImagePictures:
    paths = tuple(tmp_path / f"{i}.png" for i in range(10))
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), grey(i))
    return ImagePictures(paths)


@pytest.mark.parametrize("kind", ["video", "images"])
@pytest.mark.parametrize("wanted", [range(10), [0], [9], [2, 3, 7], []])
def test_the_frames_asked_for_are_the_frames_given(
    kind: str, wanted: list[int], request: pytest.FixtureRequest
) -> None:
    pictures = request.getfixturevalue(kind)
    assert [round((float(image.mean()) - 10) / 20) for image in pictures.read(wanted)] == list(wanted)
    assert len(pictures) == 10
    assert pictures.size_wh == (64, 48)


def test_a_video_counts_what_decodes_not_what_its_header_says(video: VideoPictures) -> None:
    content = bytearray(video.path.read_bytes())
    at = content.index(b"stsz") + 12
    content[at : at + 4] = (4).to_bytes(4, "big")  # the table of frames ends after four
    video.path.write_bytes(content)
    assert len(VideoPictures(video.path)) < 10
    with pytest.raises(DataError, match=r"v\.mp4 has \d frames; frame 9 is asked for"):
        list(VideoPictures(video.path).read([9]))


@pytest.mark.parametrize("frame", [10, 1000])
def test_too_few_frames_are_an_error_that_says_how_many(
    frame: int, video: VideoPictures, images: ImagePictures
) -> None:
    with pytest.raises(DataError, match=f"v.mp4 has 10 frames; frame {frame}"):
        list(video.read([0, frame]))
    with pytest.raises(DataError, match=f"has 10 pictures; picture {frame}"):
        list(images.read([0, frame]))


def test_missing_and_damaged_files_are_named(tmp_path: Path, images: ImagePictures) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"text\.mp4 is not a video"):
        list(VideoPictures(tmp_path / "text.mp4").read([0]))
    with pytest.raises(DataError, match=r"gone\.mp4 is not there"):
        len(VideoPictures(tmp_path / "gone.mp4"))
    images.paths[3].write_text("no picture")
    images.paths[4].unlink()
    assert len(list(images.read([0, 2]))) == 2
    with pytest.raises(DataError, match=r"3\.png is not a picture"):
        list(images.read([3]))
    with pytest.raises(DataError, match=r"4\.png is not there"):
        list(images.read([4]))


def test_pictures_are_decoded_only_as_they_are_asked_for(images: ImagePictures) -> None:
    images.paths[5].unlink()
    frames = images.read(range(10))
    for _ in range(5):
        next(frames)
    with pytest.raises(DataError):
        next(frames)
