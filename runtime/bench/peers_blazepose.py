"""BlazePose on frames of a video; run by a Python that has mediapipe, with the video as its argument.

It says which version it is, then answers each line of frame numbers, a JSON list, with the milliseconds that each of
its two modes took for each of them. Reading the video is not timed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever its libraries print is no answer
    import cv2
    import mediapipe  # type: ignore[import-not-found, unused-ignore]
    import numpy as np

    pose = mediapipe.solutions.pose.Pose
    modes = {
        "tracking": pose(static_image_mode=False, model_complexity=1),
        "static": pose(static_image_mode=True, model_complexity=1),
    }
    video = cv2.VideoCapture(sys.argv[1])
    for mode in modes.values():
        mode.process(np.zeros((480, 640, 3), np.uint8))  # the first picture is a slow one
    print(json.dumps({"version": mediapipe.__version__}), file=answers)
    at = 0
    for line in sys.stdin:
        pictures = []
        for wanted in json.loads(line):
            while at <= wanted:
                read, bgr = video.read()
                at += 1
            if not read:
                raise SystemExit(f"the video ends before frame {wanted}")
            pictures.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        print(json.dumps({name: look(mode, pictures) for name, mode in modes.items()}), file=answers)


def look(mode: Any, pictures: list[Any]) -> dict[str, Any]:
    """Milliseconds of each picture by the wall and by all threads of this process, and how many showed a person."""
    wall_ms: list[float] = []
    cpu_ms: list[float] = []
    found = 0
    for rgb in pictures:
        wall, cpu = time.perf_counter(), time.process_time()
        seen = mode.process(rgb)
        cpu_ms.append(1000 * (time.process_time() - cpu))
        wall_ms.append(1000 * (time.perf_counter() - wall))
        found += seen.pose_landmarks is not None
    return {"wall_ms": wall_ms, "cpu_ms": cpu_ms, "found": found}


if __name__ == "__main__":
    main()
