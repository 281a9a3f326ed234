"""All settings of the device side as frozen records."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from runtime.backends.base import BackendName
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.records import Box
from sa3dhp_edge.shipped import SHIPPED
from sa3dhp_edge.skeleton import TEMPLATE_HEIGHT_MM


@dataclass(frozen=True)
class SceneConfig:
    """What counts as moving, and from when on a place is known."""

    width_px: int = 160
    """The picture is compared at this width."""
    watch_every_s: float = 0.1
    """Time between two comparisons."""
    changed_levels: float = 6.0
    """A pixel whose grey value (0..255) left the one it had kept by more than that has changed: something is alive."""
    clear_levels: float = 16.0
    """What differs by more than that from the empty place, or from the last moments, is somebody and no shadow."""
    most_changed: float = 0.4
    """If more than this share of the picture changes at once, the camera has moved: all is forgotten."""
    jump_s: float = 10.0
    """After a longer gap between two frames only the empty place is still known."""
    average_s: float = 0.4
    """The last moments: time over which the picture is averaged to see what moves."""
    least_mover: float = 0.003
    """A mover fills at least this share of the picture."""
    max_movers: int = 3
    """The largest movers are looked at."""
    settle_s: float = 3.0
    """What stays still for so long, and is not the followed person, belongs to the place."""
    still_s: float = 5.0
    """Where nothing moves for so long there is furniture."""
    least_share: float = 0.005
    """A box in which less than this share differs, or moves, holds nobody."""


@dataclass(frozen=True)
class FinderConfig:
    """Where in a frame people may be, before the pose network looks at them."""

    long_side_px: int = 256
    """Frames are brought to this longer side before the person detector sees them; larger finds smaller people."""
    min_score: float = 0.3
    """Detections below this score are not looked at."""
    max_people: int = 8
    """The best detections that are looked at."""
    windows: bool = True
    """Try squares over the picture too, for people who lean, sit, are cut off or are seen from behind."""
    windows_per_look: int = 8
    """So many of these squares are tried in one search, in turn."""
    scene: SceneConfig = field(default_factory=SceneConfig)


@dataclass(frozen=True)
class TrackerConfig:
    """When a person is taken, followed, doubted and given up."""

    accept_found: float = 0.1
    """What two looks must see (`runtime.claim.examined`) of a detected person to take him."""
    accept_moving: float = 0.15
    """The same of something that moves."""
    accept_guessed: float = 0.3
    """The same of what is in a window over the picture."""
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
    shortlist: int = 4
    """So many candidates of a search are looked at twice."""
    look_every_s: tuple[float, float] = (0.1, 1.0)
    """Shortest and longest time between two looks beside the person who is followed, a quarter of the track's age."""
    takeover: float = 1.3
    """Another person is followed instead whose claim is larger by this factor…"""
    votes: int = 3
    """…in so many looks in a row."""
    senior_s: float = 10.0
    """The claim of the person who is followed grows for so long, to twice its size."""
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
class CrowdConfig:
    """How several people are kept apart; lengths are shares of a person's longer side in the picture."""

    search_every_s: float = 0.5
    """Time between two searches for more people while somebody is followed."""
    shortlist: int = 6
    """So many candidates of a search are looked at twice."""
    same_joints: float = 0.2
    """Two poses whose joints are nearer to each other on average are one person's."""
    hidden_s: float = 3.0
    """Who is hidden or away keeps the number for so long."""
    peek_every_s: float = 0.1
    """Time between two looks at the place where somebody hidden should be."""
    walk_on_s: float = 0.6
    """Who is hidden is expected to walk on for about so long."""
    speed_s: float = 0.3
    """Time over which a speed is averaged."""
    dress_s: float = 3.0
    """Time over which the colours of the clothes are averaged."""
    reach: float = 0.3
    """So far from the expected place somebody may be found…"""
    reach_per_s: float = 0.6
    """…and so much farther for each second since he was seen."""
    growth: float = 0.5
    """So much may the logarithm of the size have changed…"""
    growth_per_s: float = 0.5
    """…and so much more for each second."""
    other_colours: float = 0.45
    """Colours that are less alike than that (1 - coefficient of Bhattacharyya) are another person's."""

    def __post_init__(self) -> None:
        positive = ("walk_on_s", "speed_s", "dress_s", "reach", "growth", "other_colours")
        if bad := [name for name in positive if not getattr(self, name) > 0]:
            raise ConfigError(f"crowd: {bad[0]} must be more than 0, got {getattr(self, bad[0])}")


SmoothingName = Literal["raw", "live", "smooth"]


@dataclass(frozen=True)
class SmoothingConfig:
    """How poses become one motion over time; see `runtime.smoothing`."""

    preset: SmoothingName = "smooth"
    """raw leaves them alone, live costs no delay, smooth waits for `lag_s`."""
    moment_s: float = 0.06
    """Of smooth: standard deviation in time of the mean around each frame."""
    lag_s: float = 0.12
    """Of smooth: so much of what comes next is waited for."""
    least_cutoff_hz: float = 5.0
    """Of live: what a joint at rest is smoothed with."""
    cutoff_hz_per_mm_s: float = 0.005
    """Of live: how much less a joint is smoothed for each mm/s."""
    speed_cutoff_hz: float = 1.0
    """Of live: what the speeds are smoothed with."""
    fastest_mm_s: float = 12_000.0
    """No joint moves faster about the pelvis; one that seems to is held where it was…"""
    noise_mm: float = 60.0
    """…but for so much, which the network's noise may be…"""
    held_s: float = 0.1
    """…and for no longer than this."""
    forget_s: float = 0.5
    """Who was away for longer begins anew."""

    def __post_init__(self) -> None:
        positive = ("moment_s", "least_cutoff_hz", "speed_cutoff_hz", "fastest_mm_s", "forget_s")
        if bad := [name for name in positive if not getattr(self, name) > 0]:
            raise ConfigError(f"smoothing: {bad[0]} must be more than 0, got {getattr(self, bad[0])}")
        if not 0 <= self.lag_s <= 2 or self.held_s < 0 or self.noise_mm < 0 or self.cutoff_hz_per_mm_s < 0:
            raise ConfigError("smoothing: lag_s lies in 0..2, and held_s, noise_mm and cutoff_hz_per_mm_s above 0")


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
class InputConfig:
    """How an input is opened and its pictures are turned."""

    rotate_deg: int = 0
    """Turn every picture clockwise before anything looks at it: 0, 90, 180 or 270."""
    flip: Literal["none", "horizontal", "vertical"] = "none"
    """Then mirror it: left and right, or top and bottom."""
    camera_format: str | None = None
    """Four letters of the pixel format a camera of this machine is asked for: MJPG, YUYV, …"""
    camera_size_wh: tuple[int, int] | None = None
    """Size a camera of this machine is asked for, px, before any turn."""
    camera_fps: float | None = None
    """Frames per second a camera of this machine is asked for; of `-` what its frames are timed by."""
    realtime: bool = False
    """A file's frames come by their time stamps and a pipe's as they are written; the newest wins."""

    def __post_init__(self) -> None:
        if self.rotate_deg not in (0, 90, 180, 270):
            raise ConfigError(f"a picture cannot be turned by {self.rotate_deg} degrees", "0, 90, 180 or 270")
        if self.flip not in ("none", "horizontal", "vertical"):
            raise ConfigError(f"flip {self.flip!r} is not known", "none, horizontal or vertical")
        if self.camera_format is not None and not (len(self.camera_format) == 4 and self.camera_format.isascii()):
            raise ConfigError(f"the camera format {self.camera_format!r} has not four letters", "MJPG or YUYV")
        if self.camera_size_wh is not None and min(self.camera_size_wh) < 16:
            raise ConfigError(f"a camera cannot give {self.camera_size_wh} pixels", "for example 1280 and 720")
        if self.camera_fps is not None and not 0.1 <= self.camera_fps <= 1000:
            raise ConfigError(f"a camera cannot give {self.camera_fps} frames per second", "for example 30")


@dataclass(frozen=True)
class RuntimeConfig:
    """One run on one camera or video; exactly one of `camera`, `video` and `source` is given."""

    model: Path | str = SHIPPED
    """Model folder, or `shipped`."""
    camera: int | None = None
    """Index of a camera."""
    video: Path | None = None
    """Video file, or a folder of pictures."""
    source: str | None = None
    """A camera, stream, pipe, file or folder by one address; see `runtime.inputs`."""
    out: Path | tuple[Path, ...] | None = None
    """File or files for the poses; the suffix says the format; {start} in a name becomes the time of the start."""
    send: tuple[str, ...] = ()
    """Where poses are sent while the run goes on, each by one address; see `runtime.live.addresses`."""
    serve: str | None = None
    """[HOST:]PORT of a page to look at the run, with /healthz and /metrics; loopback unless a host is named."""
    serve_token: str | None = None
    """What must be known to open the page; made up where it is served to other machines and none is given."""
    window: bool = False
    """Show the picture with skeletons in a window; closing it ends the run."""
    recordings: Path | None = None
    """Folder of the recordings that are started on the page."""
    overlay: Path | None = None
    """mp4 file for the pictures with the skeleton drawn on them."""
    overwrite: bool = False
    """Replace files that exist."""
    max_people: int = 1
    """Follow so many people at once; 1 follows the one who matters."""
    box: Box | None = None
    """Where the person is at the start, in pixels; replaces the search."""
    detector: Path | None = None
    """YOLOX-style ONNX detector that replaces the built-in one."""
    intrinsics: Path | None = None
    """Camera calibration; without it a focal length is assumed and no place in the room is given."""
    world: Path | None = None
    """world.json of `calib floor`: poses come in the room's axes too."""
    height_mm: float = TEMPLATE_HEIGHT_MM
    """Height of the person: the pose's size follows from it."""
    subject: Path | None = None
    """subject.json of `calib subject`: its height takes the place of `height_mm`."""
    max_frames: int | None = None
    """Stop after so many frames."""
    threads: int = 0
    """Threads of the inference engine; 0 leaves the choice to it."""
    backend: BackendName = "auto"
    """What computes the image network; see `runtime.backends.opening`."""
    engines: Path | None = None
    """Where TensorRT's engines are stored; None for the default folder."""
    smoothing: SmoothingName | None = None
    """What is done about jitter; None takes smooth for files and live for cameras."""
    latency_budget_ms: float | None = None
    """Poses come within so long after their picture: searches are spread and people looked at in turns; None takes 100
    for cameras and no limit for files, inf sets none."""
    camera_timeout_s: float | None = None
    """A camera without a frame for so long is given up; None tries for ever."""
    input: InputConfig = field(default_factory=InputConfig)
    finder: FinderConfig = field(default_factory=FinderConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    crowd: CrowdConfig = field(default_factory=CrowdConfig)

    @property
    def outs(self) -> tuple[Path, ...]:
        """`out` as any number of files."""
        return (self.out,) if isinstance(self.out, Path) else self.out or ()

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.camera, self.video, self.source)) != 1:
            raise ConfigError("name exactly one input", "give a camera index, a video or a source address")
        if not 300 <= self.height_mm <= 2600:
            raise ConfigError(f"a height of {self.height_mm} mm is no person's", "give the height in millimetres")
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"max_frames must be at least 1, got {self.max_frames}")
        if self.camera_timeout_s is not None and not 0 < self.camera_timeout_s < math.inf:
            raise ConfigError(f"camera_timeout_s must be positive, got {self.camera_timeout_s}")
        if self.latency_budget_ms is not None and not self.latency_budget_ms > 0:
            raise ConfigError(f"latency_budget_ms must be more than 0, got {self.latency_budget_ms}")
        if not 1 <= self.max_people <= 32:
            raise ConfigError(f"max_people must be 1 to 32, got {self.max_people}")
        if self.box is not None and self.max_people > 1:
            raise ConfigError("a box follows one person", "leave the box out, or follow one person")
        if self.box is not None and self.detector is not None:
            raise ConfigError("a box and a detector exclude each other", "give one of them")
