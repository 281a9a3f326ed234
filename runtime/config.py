"""All settings of the device side as frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.records import Box
from sa3dhp_edge.skeleton import TEMPLATE_HEIGHT_MM


@dataclass(frozen=True)
class FinderConfig:
    """Where in a frame a person may be, without a model's help."""

    long_side_px: int = 640
    """Larger frames are shrunk to this longer side before the gradient detector sees them."""
    scale_step: float = 1.05
    """Ratio between two sizes that are searched."""
    min_score: float = 0.2
    """Detections below this score are not looked at."""
    max_people: int = 3
    """The best detections that are looked at."""
    windows: bool = True
    """Try centred squares too, for people who sit, are cut off or are seen from behind."""


@dataclass(frozen=True)
class TrackerConfig:
    """When a person is taken, followed, doubted and given up."""

    accept_found: float = 0.15
    """Confidence from which a detected person is taken."""
    accept_guessed: float = 0.5
    """Confidence from which a person in a guessed window or a moving region is taken."""
    keep: float = 0.1
    """Confidence below which a followed person is doubted."""
    patience_frames: int = 8
    """So many doubtful frames in a row end a track."""
    search_every_s: float = 0.25
    """Time between two searches while nobody is followed."""
    confirm_every_s: float = 2.0
    """Time between two looks of the finder at the person who is followed."""
    unconfirmed_s: float = 10.0
    """A track that no look confirmed for so long is given up, unless its confidence is `sure`."""
    sure: float = 0.6
    """Confidence that needs no confirmation."""
    switch_margin: float = 0.25
    """Confidence by which somebody else must be better before he is followed instead."""
    size_smoothing: float = 0.35
    """Weight of the newest frame in the box's size."""
    max_step: float = 0.35
    """Most that a box moves from one frame to the next, in its own sides."""
    min_side_px: float = 40.0
    """A smaller box ends the track: the joints have collapsed, or the picture is too coarse to read a pose from."""
    max_side: float = 3.0
    """A box with a side of more than so many of the frame's longer side ends the track."""
    min_inside: float = 0.3
    """Share of the box that must lie inside the frame."""

    def __post_init__(self) -> None:
        if not 0 < self.size_smoothing <= 1 or self.patience_frames < 1:
            raise ConfigError("size_smoothing must lie in 0..1 and patience_frames must be at least 1")


@dataclass(frozen=True)
class ClipConfig:
    """How clips are cut."""

    max_fps: float = 60.0
    """Faster video is thinned by a whole factor to at most this rate."""
    clip_frames: int = 120
    """Longest clip."""
    stretch_s: float = 4.0
    """Length of one looked-at stretch of a video that is longer than needed."""
    empty_step_s: float = 0.5
    """Step while nobody is there."""
    min_confidence: float = 0.2
    """Frames below it are left out."""
    max_gap_s: float = 0.25
    """A longer hole ends the clip; two frames of slow video may always be missing."""
    min_frames: int = 8
    """Shorter clips are left out."""
    smooth_s: float = 0.25
    """Width (standard deviation) of the box's smoothing in time, to both sides."""


@dataclass(frozen=True)
class RuntimeConfig:
    """One run on one camera or video; exactly one of `camera`, `video` and `source` is given."""

    model: Path | str
    """Model folder."""
    camera: int | None = None
    """Index of a camera."""
    video: Path | None = None
    """Video file, or a folder of pictures."""
    source: str | None = None
    """A path, /dev/videoN, digits, or rtsp://…"""
    out: Path | None = None
    """JSON Lines file for the poses."""
    overlay: Path | None = None
    """mp4 file for the pictures with the skeleton drawn on them."""
    overwrite: bool = False
    """Replace files that exist."""
    box: Box | None = None
    """Where the person is at the start, in pixels; replaces the search."""
    detector: Path | None = None
    """YOLOX-style ONNX detector that replaces the built-in one."""
    intrinsics: Path | None = None
    """Camera calibration; without it a focal length is assumed and no place in the room is given."""
    height_mm: float = TEMPLATE_HEIGHT_MM
    """Height of the person: the pose's size follows from it."""
    max_frames: int | None = None
    """Stop after so many frames."""
    threads: int = 0
    """Threads of the inference engine; 0 leaves the choice to it."""
    camera_timeout_s: float = 5.0
    """A camera without a frame for so long counts as lost."""
    finder: FinderConfig = field(default_factory=FinderConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.camera, self.video, self.source)) != 1:
            raise ConfigError("name exactly one input", "give a camera index, a video or a source address")
        if not 300 <= self.height_mm <= 2600:
            raise ConfigError(f"a height of {self.height_mm} mm is no person's", "give the height in millimetres")
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"max_frames must be at least 1, got {self.max_frames}")
        if self.box is not None and self.detector is not None:
            raise ConfigError("a box and a detector exclude each other", "give one of them")
