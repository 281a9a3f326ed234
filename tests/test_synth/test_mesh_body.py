"""The skinned body: its rest pose, how it follows its joints, where its skin and its parts are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.motion.motion_set import MotionSet
from sa3dhp_edge.skeleton import BONES, JOINTS, MIRROR, bone_lengths_mm, pose_from_directions
from sa3dhp_edge.synth import mesh_body
from sa3dhp_edge.synth.body import PARTS
from sa3dhp_edge.synth.domain import DOMAINS
from sa3dhp_edge.synth.footage import Facing, Stretch, draw_stretch
from sa3dhp_edge.synth.mesh_body import Shape, curl_fingers, draw_shape, family, hand_axes, pose_skin, skin_normals
from sa3dhp_edge.synth.mesh_figure import MeshFigure, draw_mesh_figure, level_shoulders, palm_axes
from sa3dhp_edge.synth.mesh_rig import Turns, rig_transforms
from sa3dhp_edge.synth.render import render_clips

Array = NDArray[np.float32]
NO_SHIFT = np.zeros(3, np.float32)
STRAIGHT = {
    "neck": (0, -1, 0), "head_top": (0, -1, -0.1), "right_shoulder": (-1, 0, 0), "left_shoulder": (1, 0, 0),
    "right_elbow": (-0.15, 1, 0), "left_elbow": (0.15, 1, 0), "right_wrist": (-0.1, 1, -0.3),
    "left_wrist": (0.1, 1, -0.3), "right_hip": (-1, 0, 0), "left_hip": (1, 0, 0), "right_knee": (0, 1, -0.1),
    "left_knee": (0, 1, -0.1), "right_ankle": (0, 1, 0.1), "left_ankle": (0, 1, 0.1),
    "right_foot": (-0.1, 0.35, -1), "left_foot": (0.1, 0.35, -1),
}  # fmt: skip
POSES: dict[str, dict[str, tuple[float, float, float]]] = {
    "standing": {},
    "reaching up": {"right_elbow": (-0.2, -1, 0), "right_wrist": (0.1, -1, 0), "left_elbow": (0.9, 0.1, 0),
                    "left_wrist": (0.2, -1, -0.1), "right_shoulder": (-1, -0.3, 0)},
    "squatting": {"right_knee": (-0.3, 0.1, -1), "left_knee": (0.3, 0.1, -1), "right_ankle": (0, 1, 0.5),
                  "left_ankle": (0, 1, 0.5), "neck": (0, -1, -0.5), "right_elbow": (-0.1, 0.6, -1),
                  "right_wrist": (0.6, 0, -1)},
    "kneeling, twisted": {"right_ankle": (0, 0.1, 1), "left_ankle": (0, 0.2, 1), "right_foot": (0, 0.6, 0.8),
                          "right_shoulder": (-0.7, 0, -0.7), "left_shoulder": (0.7, 0, 0.7)},
}  # fmt: skip


def person(seed: int = 0, female: bool = False) -> Shape:
    return draw_shape(np.random.default_rng(seed), female, 1700, 0.5, 0.5)


def pose(shape: Shape, name: str) -> Array:
    """(1, 17, 3) mm of a pose with the shape's bones."""
    bones = np.array([(STRAIGHT | POSES[name])[bone] for bone in BONES], float)
    bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
    return pose_from_directions(bones.astype(np.float32), bone_lengths_mm(shape.joints_mm))[None].astype(np.float32)


def turns(yaw: float = 0, palm: tuple[float, float] = (0, 0), wrist: tuple[float, float] = (0, 0)) -> Turns:
    return Turns(np.array([yaw], np.float32), np.array(palm, np.float32), np.array(wrist, np.float32))


def skin_of(shape: Shape, joints_mm: Array, how: Turns | None = None) -> Array:
    f = family()
    transforms = rig_transforms(shape.joints_mm, palm_axes(shape), joints_mm, how or turns())
    return pose_skin(shape.points_mm, f.bones, f.weights, transforms[0])


def turn(x: float, y: float, z: float) -> Array:
    """A rotation by Euler angles in radians."""
    out = np.eye(3)
    for axis, angle in enumerate((x, y, z)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[a, a] = step[b, b] = np.cos(angle)
        step[a, b], step[b, a] = -np.sin(angle), np.sin(angle)
        out = step @ out
    return out.astype(np.float32)


def twin() -> NDArray[np.int64]:
    """(V,) the vertex on the other side."""
    f = family()
    where = {(int(h), int(s)): i for i, (h, s) in enumerate(zip(f.half, f.sign, strict=True))}
    return np.array([where.get((int(h), -int(s)), i) for i, (h, s) in enumerate(zip(f.half, f.sign, strict=True))])


def winding(points: Array, skin: Array) -> Array:
    """(N,) how often the closed skin goes round each point: 1 inside, 0 outside."""
    corners = skin[family().skin][None] - points[:, None, None]
    a, b, c = (corners[:, :, k].astype(float) for k in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    top = (a * np.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return np.asarray(2 * np.arctan2(top, below).sum(1) / (4 * np.pi), np.float32)


def stretch_of(motion: MotionSet, seed: int, frames: int = 4) -> Stretch:
    return draw_stretch(np.random.default_rng(seed), motion, frames, 5, Facing(180, 1))


def figure_of(motion: MotionSet, seed: int, **levers: object) -> MeshFigure:
    domain = replace(DOMAINS["wide"], **levers)  # type: ignore[arg-type]
    return draw_mesh_figure(np.random.default_rng(seed), domain, stretch_of(motion, seed), NO_SHIFT)


def test_the_rest_pose_of_the_joints_is_the_rest_pose_of_the_skin() -> None:
    shape = person()
    np.testing.assert_allclose(skin_of(shape, shape.joints_mm[None]), shape.points_mm, atol=0.05)


@pytest.mark.parametrize("name", POSES)
def test_joints_moved_rigidly_take_the_skin_with_them(name: str) -> None:
    shape = person(1, True)
    joints, rotation, shift = pose(shape, name), turn(0.7, 2.5, -1.2), np.array([300, -900, 2000], np.float32)
    how = turns(0.4, (0.5, -0.3), (0.2, 0.4))
    there = skin_of(shape, joints @ rotation.T + shift, how)
    np.testing.assert_allclose(there, skin_of(shape, joints, how) @ rotation.T + shift, atol=0.5)


@pytest.mark.parametrize("name", POSES)
def test_a_mirrored_pose_has_the_mirrored_skin(name: str) -> None:
    shape, flip = person(2), np.array([-1, 1, 1], np.float32)
    joints = pose(shape, name)
    plain = skin_of(shape, joints, turns(0.4, (0.5, -0.3), (0.2, 0.4)))
    mirrored = skin_of(shape, joints[:, list(MIRROR)] * flip, turns(-0.4, (-0.3, 0.5), (0.4, 0.2)))
    np.testing.assert_allclose(mirrored, plain[twin()] * flip, atol=0.5)


@pytest.mark.parametrize("name", POSES)
@pytest.mark.parametrize("female", [False, True])
def test_joints_lie_in_the_flesh_and_limbs_keep_their_thickness(name: str, female: bool) -> None:
    shape = person(3, female)
    joints = pose(shape, name)
    skin = skin_of(shape, joints)
    inner = [i for i, joint in enumerate(JOINTS) if joint != "head_top"]
    assert (winding(joints[0, inner], skin) > 0.5).all()
    to_skin = dict(zip(JOINTS, np.linalg.norm(skin[:, None] - joints[0], axis=-1).min(0), strict=True))
    assert to_skin["head_top"] < 15
    for joint, (low, high) in {"elbow": (12, 55), "wrist": (10, 40), "knee": (20, 75), "ankle": (15, 60)}.items():
        for side in ("right", "left"):
            assert low < to_skin[f"{side}_{joint}"] < high, (side, joint)


def test_left_and_right_keep_their_sides() -> None:
    shape, f = person(), family()
    skin = skin_of(shape, pose(shape, "standing"))[f.source]
    for side, sign in (("right", -1), ("left", 1)):
        for part in ("arm", "hand", "leg", "foot"):
            own = np.unique(f.faces[f.part == PARTS.index(f"{side}_{part}")])
            assert np.median(sign * skin[own, 0]) > 50, (side, part)
    assert skin[np.unique(f.faces[f.part == PARTS.index("head")]), 2].min() < shape.joints_mm[1, 2] - 50


def test_a_turned_head_looks_aside_and_nothing_below_the_neck_follows() -> None:
    shape = person()
    joints = pose(shape, "standing")
    ahead, aside = skin_of(shape, joints), skin_of(shape, joints, turns(0.8))
    nose = ahead[:, 2] < ahead[(ahead[:, 1] < joints[0, 1, 1] - 80), 2].min() + 10
    nose &= ahead[:, 1] < joints[0, 1, 1] - 80
    assert np.abs(aside[nose, 0]).min() > 50
    low = ahead[:, 1] > joints[0, 1, 1] + 250
    np.testing.assert_allclose(aside[low], ahead[low], atol=1e-3)


def test_a_fist_brings_the_finger_tips_to_the_palm() -> None:
    shape = person()
    wrist = shape.joints_mm[JOINTS.index("left_wrist")]
    along, palm = hand_axes(shape)
    hand = shape.points_mm[:, 0] > wrist[0] + 15
    open_mm, fist_mm = curl_fingers(shape, 0), curl_fingers(shape, 1.3)
    np.testing.assert_allclose(open_mm, shape.points_mm, atol=0.01)
    assert ((fist_mm - wrist) @ along)[hand].max() < 0.8 * ((open_mm - wrist) @ along)[hand].max()
    f, bent_mm = family(), curl_fingers(shape, 0.5)
    tip = hand & (f.fingers[:, 0] == mesh_body.FINGER_BONES.index("finger3-3"))
    assert ((bent_mm - open_mm) @ palm)[tip].min() > 10
    np.testing.assert_allclose(fist_mm[twin()] * (-1, 1, 1), fist_mm, atol=0.1)
    still = np.abs(shape.points_mm[:, 0]) < wrist[0] - 60
    np.testing.assert_array_equal(fist_mm[still], shape.points_mm[still])


def test_the_skin_is_closed_and_its_normals_point_outward() -> None:
    shape, f = person(), family()
    edges = np.sort(np.concatenate([f.skin[:, [0, 1]], f.skin[:, [1, 2]], f.skin[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    normals = skin_normals(shape.points_mm, f.skin)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-3)
    sample = np.arange(0, len(normals), 97)
    outside = (shape.points_mm + 2 * normals)[sample]
    assert np.mean(winding(outside, shape.points_mm) < 0.5) > 0.95
    np.testing.assert_array_equal(f.source[f.faces], f.skin)


def test_people_have_the_height_and_the_sex_asked_for() -> None:
    rng = np.random.default_rng(0)
    men, women = ([draw_shape(rng, sex, 1650, 0.5, 0.5) for _ in range(12)] for sex in (False, True))
    for shape in men + women:
        assert np.ptp(shape.points_mm[:, 1]) == pytest.approx(1650, abs=1)
    assert np.mean([shape.traits[0] for shape in women]) > 0.75
    assert np.mean([shape.traits[0] for shape in men]) < 0.25
    chest = []
    for people in (men, women):
        slices = [
            p.points_mm[(np.abs(p.points_mm[:, 1] + 340) < 50) & (np.abs(p.points_mm[:, 0]) < 150)] for p in people
        ]
        chest.append([float(np.ptp(level[:, 2])) for level in slices])
    assert np.mean(chest[0]) > np.mean(chest[1]) + 5  # men have the deeper chest
    thin, stout = (draw_shape(rng, False, 1700, weight, 0.5) for weight in (0.05, 0.95))
    belly = []
    for shape in (thin, stout):
        x, y, z = shape.points_mm.T
        belly.append(float(np.ptp(z[(np.abs(y + 120) < 25) & (np.abs(x) < 100)])))
    assert belly[1] > 1.15 * belly[0]


def test_shoulders_are_brought_to_the_height_of_the_rest_pose(motion: MotionSet) -> None:
    directions = motion.directions[:50].copy()
    right, neck = BONES.index("right_shoulder"), BONES.index("neck")
    for rise in (0.0, 0.35):
        side = np.cross(directions[:, neck], (0, 0, 1.0))
        side /= np.linalg.norm(side, axis=-1, keepdims=True)
        directions[:, right] = np.sqrt(1 - rise**2) * side + rise * directions[:, neck]
        levelled = level_shoulders(directions)
        found = (levelled[:, right] * directions[:, neck]).sum(-1)
        np.testing.assert_allclose(np.linalg.norm(levelled, axis=-1), 1, atol=1e-5)
        assert -0.25 < found.min() <= found.max() < 0.05
    assert found.mean() > -0.1  # what differs still differs


def test_a_figure_keeps_its_bones_stands_on_the_floor_and_goes_where_it_is_put(motion: MotionSet) -> None:
    domain, shift = DOMAINS["wide"], np.array([500, 0, 1500], np.float32)
    figure = draw_mesh_figure(np.random.default_rng(3), domain, stretch_of(motion, 3), NO_SHIFT)
    assert np.ptp(bone_lengths_mm(figure.joints_mm), axis=0).max() < 0.1
    points = np.stack([figure.place(t)[0] for t in range(4)])
    feet = [PARTS.index(f"{side}_foot") for side in ("right", "left")]
    low = points[:, np.unique(figure.faces[np.isin(figure.face_part, feet)]), 1].max()
    assert -2 < low < 40
    moved = draw_mesh_figure(np.random.default_rng(3), domain, stretch_of(motion, 3), shift)
    np.testing.assert_allclose(moved.joints_mm, figure.joints_mm + shift, atol=0.01)
    np.testing.assert_allclose(moved.place(2)[0], points[2] + shift, atol=0.1)


def test_a_seed_decides_the_figure(motion: MotionSet) -> None:
    first, again, other = (figure_of(motion, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.place(1)[0], again.place(1)[0])
    np.testing.assert_array_equal(first.materials, again.materials)
    assert first.points_mm.shape == other.points_mm.shape
    assert np.abs(first.points_mm - other.points_mm).max() > 20


def test_tables_of_a_figure_agree(motion: MotionSet) -> None:
    for seed in range(6):
        figure = figure_of(motion, seed, skirt=0.5, long_hair=1.0, pack=0.5)
        points, normals = figure.place(0)
        assert points.shape == normals.shape == (len(figure.local), 3)
        assert np.isfinite(points).all()
        assert figure.faces.max() < len(points)
        assert len(figure.faces) == len(figure.face_part)
        assert figure.edges.shape[0] == figure.zones.shape[0] == figure.size_mm.shape[0] == len(PARTS)
        assert figure.zones.max() < len(figure.materials)
        assert (np.diff(figure.edges, axis=1) >= 0).all()
        assert 4000 < len(figure.faces) < 7500


def test_loose_clothes_stand_off_the_body_and_bare_heads_do_not(motion: MotionSet) -> None:
    levers = {"skirt": 0.0, "dress": 0.0, "coat": 0.0, "bare_chest": 0.0, "creases": (0, 0), "bald": 1.0, "cap": 0.0,
              "beard": 0.0, "long_hair": 0.0, "sleeve": (0.99, 0.99), "full_trousers": 1.0}  # fmt: skip
    tight = figure_of(motion, 8, loose=0.0, tight=(1, 1), **levers)
    loose = figure_of(motion, 8, loose=1.0, loose_mm=(30, 30), **levers)
    f = family()
    normals = skin_normals(tight.points_mm, f.skin)
    off = ((loose.points_mm - tight.points_mm) * normals).sum(1)
    for part, low, high in (("trunk", 8, 40), ("left_arm", 8, 45), ("right_leg", 8, 45), ("head", -1, 1)):
        own = f.source[np.unique(f.faces[f.part == PARTS.index(part)])]
        assert low < np.median(off[own]) < high, part


def test_a_persons_own_skin_is_seen_at_its_joints(motion: MotionSet) -> None:
    seen = []
    for mesh in (0.0, 1.0):
        domain = replace(DOMAINS["studio"], mesh_body=mesh)
        found = render_clips(domain, motion, clips=6, frames_per_clip=2, fps=2, crop_px=64, seed=2, workers=1)
        assert found.visible is not None
        seen.append(found.visible.mean(0))
    assert seen[1].min() > 0.3
    assert abs(seen[1].mean() - seen[0].mean()) < 0.12


def test_a_missing_file_of_shapes_says_how_to_make_it(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(mesh_body, "ASSET", mesh_body.Path(str(tmp_path)) / "none.npz")
    family.cache_clear()
    with pytest.raises(DataError, match=r"none\.npz") as caught:
        family()
    assert "sample_anny" in str(caught.value.hint)
    family.cache_clear()
