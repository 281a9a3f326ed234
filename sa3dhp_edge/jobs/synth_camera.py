"""Generated people as a camera, to try everything without one: MJPEG from a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sa3dhp_edge.extras import need

URI = "synth://"
FPS, SIZE_WH, CLIP_S = 30.0, (640, 480), 8.0
"""After each `CLIP_S` seconds comes another person in another room."""
_CLOSE_S = 5.0


@contextmanager
def synth_camera(seed: int = 0) -> Iterator[str]:
    """The address of a camera that shows generated people, for as long as the block lasts.

    Raises:
        MissingPackage: what draws is not installed.
    """
    need("export", URI)
    child = subprocess.Popen([sys.executable, "-m", __name__, str(seed)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield f"fd:{child.stdout.fileno()}"
    finally:
        child.stdout.close()  # the child ends with its next picture
        try:
            child.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def jpegs(seed: int) -> Iterator[bytes]:
    """JPEG pictures without an end; equal seeds give equal ones."""
    import cv2

    from sa3dhp_edge.motion.load import unpaired_motion
    from sa3dhp_edge.synth.domain import DOMAINS
    from sa3dhp_edge.synth.render import render_video
    from sa3dhp_edge.synth.stream import clip_seed

    motion, number = unpaired_motion(None, 60, seed), 0
    while True:
        made = clip_seed(seed, number) % 2**31
        video = render_video(DOMAINS["site"], motion, seconds=CLIP_S, fps=FPS, size_wh=SIZE_WH, seed=made)
        for picture in video.frames():
            yield cv2.imencode(".jpg", picture)[1].tobytes()
        number += 1


def main(seed: int) -> None:
    """Write pictures to standard output until nobody reads them."""
    try:
        for jpeg in jpegs(seed):
            sys.stdout.buffer.write(jpeg)
            sys.stdout.buffer.flush()
    except (BrokenPipeError, KeyboardInterrupt):
        sys.stdout = None  # nothing is left to flush


if __name__ == "__main__":
    main(int(sys.argv[1]))
