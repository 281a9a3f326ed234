"""One clip made ready to be drawn from any view: people, motion, scene; and the drawing of a frame."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.frameset import BY_BODY, BY_THING, NOT_HIDDEN
from sa3dhp_edge.geometry import rotation_about_y
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.skeleton import JOINTS
from sa3dhp_edge.synth.backgrounds import Backgrounds, photo_light
from sa3dhp_edge.synth.body import PARTS
from sa3dhp_edge.synth.canvas import canvas
from sa3dhp_edge.synth.company import draw_company
from sa3dhp_edge.synth.compiled import compiled
from sa3dhp_edge.synth.cpu import NO_PHOTO, NO_POINTS, Scene
from sa3dhp_edge.synth.domain import Domain
from sa3dhp_edge.synth.figure import Figure, draw_figure
from sa3dhp_edge.synth.footage import Facing, draw_stretch
from sa3dhp_edge.synth.placing import draw_things
from sa3dhp_edge.synth.raster import NOTHING, Samples, View, project_view
from sa3dhp_edge.synth.scene import SHADOW_SIDE, Camera, draw_camera, draw_light, draw_room
from sa3dhp_edge.synth.sensor import Sensor, draw_sensor, out_of_focus
from sa3dhp_edge.synth.shade import ZONES, Light, Mesh, Paint, Room
from sa3dhp_edge.synth.smear import ENDS, smear_limbs
from sa3dhp_edge.synth.solids import Things

Array = NDArray[np.float32]
FEET = [JOINTS.index(f"{side}_{name}") for side in ("right", "left") for name in ("ankle", "foot")]
HEAD = PARTS.index("head")


class Stage(NamedTuple):
    """Everything of a clip: the people, the labelled one first, and what surrounds them.

    `velocity_mm_s` (T, 17, 3) are the labelled joints' in the world.

    `photo` (h, w, 3) uint8 BGR fills the camera's frame instead of the room, `photo_strength` times as bright.
    """

    figures: tuple[Figure, ...]
    things: Things
    mesh: Mesh
    paint: Paint
    light: Light
    room: Room
    camera: Camera
    sensor: Sensor
    sequence: int
    velocity_mm_s: Array
    photo: NDArray[np.uint8] | None
    photo_strength: float

    @property
    def joints_mm(self) -> Array:
        """(T, 17, 3) mm of the labelled person in the world."""
        return self.figures[0].joints_mm


class Drawn(NamedTuple):
    """A frame as drawn: linear RGB (H, W, 3), the z-buffer, and the part of every face (F,).

    Parts of the labelled person are numbered as `body.PARTS`; those of others and of things follow.
    """

    light: Array
    samples: Samples
    face_part: NDArray[np.int32]


def draw_stage(
    rng: np.random.Generator,
    domain: Domain,
    motion: MotionSet,
    frames: int,
    fps: float,
    size_wh: tuple[int, int],
    whole: bool,
    backgrounds: Backgrounds | None = None,
) -> Stage:
    """A new subject plays a stretch of motion in a new scene; `whole` keeps the person in the frame all the time."""
    seeds = rng.integers(2**62, size=9)
    who, what, where, lit, around, among, beside, taken, behind = (np.random.default_rng(int(seed)) for seed in seeds)
    stretch = draw_stretch(what, motion, frames, fps, Facing(domain.facing_deg, domain.facing_share))
    subject = draw_figure(who, domain, stretch, np.zeros(3, np.float32))
    joints = subject.joints_mm
    camera = draw_camera(where, domain, joints, size_wh, whole)
    figures = (subject, *draw_company(beside, domain, motion, frames, fps, camera, joints))
    velocity = stretch.velocity_mm_s @ rotation_about_y(stretch.azimuth_deg).T.astype(np.float32)
    chance = _Chance(lit, around, among, taken, behind)
    return _furnished(chance, domain, figures, camera, joints, stretch.sequence, velocity, backgrounds)


def furnish(
    rng: np.random.Generator, domain: Domain, figures: tuple[Figure, ...], camera: Camera, joints_mm: Array
) -> Stage:
    """A scene around people and a camera that are given; nothing stands where `joints_mm` (T, 17, 3) go."""
    chance = _Chance(*(np.random.default_rng(int(seed)) for seed in rng.integers(2**62, size=5)))
    still = np.zeros_like(figures[0].joints_mm)
    return _furnished(chance, domain, figures, camera, joints_mm, 0, still, None)


class _Chance(NamedTuple):
    """One stream each, so that a lever leaves what it does not concern as it is."""

    lit: np.random.Generator
    around: np.random.Generator
    among: np.random.Generator
    taken: np.random.Generator
    behind: np.random.Generator


def _furnished(
    chance: _Chance,
    domain: Domain,
    figures: tuple[Figure, ...],
    camera: Camera,
    joints: Array,
    sequence: int,
    velocity: Array,
    backgrounds: Backgrounds | None,
) -> Stage:
    """Light, room, things and sensor around the people."""
    lit, around, among, taken, behind = chance
    light = draw_light(lit, domain)
    inks = sum(len(figure.materials) for figure in figures)
    room, sides = draw_room(around, domain, camera, joints, inks)
    photo = None
    if backgrounds is not None and behind.random() < domain.photo:
        photo, room = (
            backgrounds.draw(behind, camera.size_wh),
            room._replace(backdrop=True),
        )  # no walls to hang things on
        few = min(domain.clutter[1], 2) if behind.random() < 0.3 else 0
        domain = replace(domain, clutter=(0, few))
    things = draw_things(among, domain, camera, room, joints)
    materials = np.concatenate([*(figure.materials for figure in figures), sides, things.materials])
    paint = _paint(figures, materials, inks + len(sides), things.count)
    sensor = draw_sensor(taken, domain)
    mesh, strength = _mesh(figures, things), float(behind.uniform(0.5, 1.2))
    return Stage(figures, things, mesh, paint, light, room, camera, sensor, sequence, velocity, photo, strength)


def _mesh(figures: tuple[Figure, ...], things: Things) -> Mesh:
    """The people's vertices first, still unplaced, then the things."""
    local, faces, part, first = [], [], [], 0
    for number, figure in enumerate(figures):
        local.append(figure.local)
        faces.append(figure.faces + first)
        part.append(figure.face_part + number * len(PARTS))
        first += len(figure.local)
    still = np.zeros((first, 3), np.float32)
    return Mesh(
        np.concatenate([still, things.points]),
        np.concatenate([still, things.normals]),
        np.concatenate([*local, things.local]).astype(np.float32),
        np.concatenate([*faces, things.faces + first]).astype(np.int32),
        np.concatenate([*part, things.thing + len(figures) * len(PARTS)]).astype(np.int32),
    )


def _paint(figures: tuple[Figure, ...], materials: Array, first: int, things: int) -> Paint:
    """Paint tables of all parts; the materials of the things start at row `first`."""
    rows = np.cumsum([0, *(len(figure.materials) for figure in figures)])
    own = np.repeat(np.arange(first, first + things, dtype=np.int32)[:, None], ZONES, 1)
    edges = [*(figure.edges for figure in figures), np.full((things, ZONES - 1), np.inf, np.float32)]
    tilts = [*(figure.tilts for figure in figures), np.zeros((things, ZONES - 1), np.float32)]
    zones = [*(figure.zones + row for figure, row in zip(figures, rows, strict=False)), own]
    size_mm = [*(figure.size_mm for figure in figures), np.ones((things, 2), np.float32)]
    has_face = np.zeros(len(figures) * len(PARTS) + things, np.bool_)
    has_face[HEAD : len(figures) * len(PARTS) : len(PARTS)] = True
    tables = [np.concatenate(table) for table in (edges, tilts, zones, size_mm)]
    return Paint(
        tables[0].astype(np.float32), tables[1].astype(np.float32), tables[2].astype(np.int32),
        tables[3].astype(np.float32), has_face, materials.astype(np.float32),
    )  # fmt: skip


def _seen_by_light(light: Light, points_mm: Array, centre_mm: Array) -> Array:
    """(V, 3) the points in pixels of the first light's map about a place, and nearness; (0, 3) without shadow."""
    if light.shadow <= 0:
        return NO_POINTS
    seen = np.asarray((points_mm - centre_mm) @ light.shadow_axes.T, np.float32)
    seen += np.array([SHADOW_SIDE / 2 - 0.5, SHADOW_SIDE / 2 - 0.5, 10000], np.float32)
    return seen


def draw_frame(
    stage: Stage, t: int, view: View, height: int, width: int, behind: NDArray[np.uint8] | None = None
) -> Drawn:
    """Frame t of a clip from a view, in linear light; `behind` (H, W, 3) uint8 RGB: what the view shows of a photo."""
    mesh, first = stage.mesh, 0
    for figure in stage.figures:
        end = first + len(figure.local)
        mesh.points[first:end], mesh.normals[first:end] = figure.place(t)
        first = end
    centre = stage.joints_mm[t, 0]
    seen = _seen_by_light(stage.light, mesh.points, centre)
    light = stage.light._replace(shadow_centre=centre) if len(seen) else stage.light
    room = stage.room._replace(feet=np.concatenate([figure.joints_mm[t, FEET] for figure in stage.figures]))
    photo = NO_PHOTO if behind is None else photo_light(behind, stage.light, stage.photo_strength)
    one_sided = len(mesh.faces) - len(stage.things.faces)
    scene = Scene(mesh, stage.paint, light, room, seen, view, photo, one_sided)
    picture, samples = canvas()(scene, height, width)
    return Drawn(picture, samples, mesh.part)


def through_shutter(stage: Stage, t: int, drawn: Drawn, view: View, scale: float) -> Array:
    """The light (H, W, 3) of frame t after focus and shutter; `scale` is pixels per pixel of a 128-pixel crop."""
    sensor, face = stage.sensor, drawn.samples.face
    light = out_of_focus(drawn.light, face, drawn.face_part, sensor.defocus_px * scale)
    if sensor.shutter_s <= 0:
        return light
    half = 0.5 * sensor.shutter_s * stage.velocity_mm_s[t]
    ends = np.concatenate([stage.joints_mm[t] - half, stage.joints_mm[t] + half]).astype(np.float32)
    px = project_view(ends, view, 1)[:, :2].reshape(2, -1, 2)
    reach_px = 90 * view.focal_px / float(np.linalg.norm(stage.joints_mm[t, 0] - stage.camera.position))
    return smear_limbs(light, px.mean(0), px[1] - px[0], ENDS, reach_px)


@compiled
def what_hides(
    uvz: Array, depth_mm: Array, own: NDArray[np.bool_], samples: Samples, part: NDArray[np.int32], reach: int
) -> NDArray[np.uint8]:
    """(17,) what lies before each joint (`frameset.HIDDEN_BY`): nothing where its own skin is seen at its place.

    Args:
        uvz: (17, 3): x, y in samples and depth mm.
        depth_mm: (17,) how far a joint may lie beneath its skin.
        own: (17, parts) whose skin that may be.
        samples: the z-buffer of 1 / depth; `part` (F,) of each face.
        reach: samples around the joint's place that are looked at, for joints on the outline.
    """
    height, width = samples.face.shape
    hidden = np.empty(len(uvz), np.uint8)
    for j in range(len(uvz)):
        cx, cy = int(np.round(uvz[j, 0])), int(np.round(uvz[j, 1]))
        seen = body = False
        for y in range(max(cy - reach, 0), min(cy + reach + 1, height)):
            for x in range(max(cx - reach, 0), min(cx + reach + 1, width)):
                face = samples.face[y, x]
                if face != NOTHING and part[face] < own.shape[1]:
                    body = True
                    beneath = uvz[j, 2] - 1 / samples.nearness[y, x]
                    seen |= own[j, part[face]] and beneath < depth_mm[j]
        hidden[j] = NOT_HIDDEN if seen else BY_BODY if body else BY_THING
    return hidden
