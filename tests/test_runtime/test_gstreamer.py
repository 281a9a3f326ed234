"""A real GStreamer pipeline that ends and is opened again; skipped where the system's OpenCV has no GStreamer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PYTHON = Path("/usr/bin/python3")
PACKAGES = "python3-opencv gstreamer1.0-plugins-base"
ASK = "import cv2, re; assert re.search(r'GStreamer:\\s+YES', cv2.getBuildInformation())"
READ = """
import time
from runtime.inputs import open_source
pipeline = "videotestsrc is-live=true pattern=ball num-buffers=20 ! video/x-raw,width=320,height=240,framerate=20/1"
with open_source(uri="gst:" + pipeline, timeout_s=30.0) as source:
    frames = source.frames(__import__("threading").Event())
    seen = [(time.monotonic() - frame.captured_s, frame.index) for frame, _ in zip(frames, range(35))]
    assert source.size_wh == (320, 240)
    assert source.fps == 20.0
assert len(seen) == 35
assert max(age for age, _ in seen) < 1.0, seen
assert [index for _, index in seen] == sorted({index for _, index in seen})
"""


@pytest.mark.slow
def test_a_pipeline_is_read_and_opened_again_when_it_ends() -> None:
    if not PYTHON.exists() or subprocess.run([PYTHON, "-c", ASK], capture_output=True, check=False).returncode:
        pytest.skip(f"no OpenCV with GStreamer here: apt-get install {PACKAGES}")
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [PYTHON, "-c", READ], cwd=root, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
