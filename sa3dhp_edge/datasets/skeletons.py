"""Which joints each data set names, in its own order.

A reader gives its coordinates in the order of one of these. Where a format names two things alike (the `Site` of
Human3.6M, the `End Site` of BVH) the end of a limb takes its joint's name and `End`. `skeleton_maps` brings every one
of them to the project's 17.

Orders were compared with at least two public sources each, named beside the skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass

from sa3dhp_edge.errors import DataError
from sa3dhp_edge.skeleton import JOINTS


@dataclass(frozen=True)
class Skeleton:
    """Joints of a data set.

    Attributes:
        name: the key in `SKELETONS`.
        title: as people write it.
        joints: S names, unique, in the data set's order.
        source: where names and order are from.
    """

    name: str
    title: str
    joints: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            raise DataError(f"skeleton {self.name}: a joint is named twice")

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Place of a joint in the order.

        Raises:
            DataError: there is no such joint.
        """
        if joint not in self.joints:
            raise DataError(f"skeleton {self.name} has no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    @property
    def mirror(self) -> tuple[int, ...]:
        """(S,) joint order after left and right change places."""
        return tuple(self.joints.index(_other_side(joint, self.joints)) for joint in self.joints)


_SIDES = (("left", "right"), ("Left", "Right"), ("L", "R"), ("l", "r"), ("L", "r"), ("l", "R"))


def _other_side(joint: str, joints: tuple[str, ...]) -> str:
    """The joint of the other side, or the joint itself where it lies in the middle."""
    for pair in _SIDES:
        for mine, other in (pair, pair[::-1]):
            if joint.startswith(mine) and (there := other + joint[len(mine) :]) in joints:
                return there
    return joint


def _both(*names: str) -> tuple[str, ...]:
    """Each name for the left and for the right, side by side."""
    return tuple(f"{side}_{name}" for name in names for side in ("left", "right"))


def _sides(first: str, second: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """All names of one side, then all of the other."""
    return tuple(f"{side}{name}" for side in (first, second) for name in names)


_SMPL_BODY = (
    "pelvis", *_both("hip"), "spine1", *_both("knee"), "spine2", *_both("ankle"), "spine3", *_both("foot"), "neck",
    *_both("collar"), "head", *_both("shoulder", "elbow", "wrist"),
)  # fmt: skip
_FINGERS = tuple(f"_{finger}{i}" for finger in ("index", "middle", "pinky", "ring", "thumb") for i in (1, 2, 3))

_H36M_ARM = ("Shoulder", "Arm", "ForeArm", "Hand", "HandThumb", "HandThumbEnd", "WristEnd", "WristEndEnd")
_H36M_LEG = ("UpLeg", "Leg", "Foot", "ToeBase", "ToeBaseEnd")

_MPI_ARM = ("_clavicle", "_shoulder", "_elbow", "_wrist", "_hand")
_MPI_LEG = ("_hip", "_knee", "_ankle", "_foot", "_toe")

_BVH_LEG = ("HipJoint", "UpLeg", "Leg", "Foot", "ToeBase", "ToeBaseEnd")
_BVH_ARM = ("Shoulder", "Arm", "ForeArm", "Hand", "FingerBase", "HandIndex1", "HandIndex1End", "Thumb", "ThumbEnd")
_ASF_LEG = ("hipjoint", "femur", "tibia", "foot", "toes")
_ASF_ARM = ("clavicle", "humerus", "radius", "wrist", "hand", "fingers", "thumb")

_ARM = ("Shoulder", "Elbow", "Wrist")
_LEG = ("Hip", "Knee", "Ankle", "BigToe", "SmallToe", "Heel")

_OPENCAP_VIDEO = (
    "Neck", *_sides("R", "L", _ARM), "midHip", *_sides("R", "L", ("Hip", "Knee", "Ankle")),
    *_sides("L", "R", ("BigToe", "SmallToe", "Heel")),
)  # fmt: skip
_STUDY_PAIRS = (
    "ASIS", "PSIS", "knee", "mknee", "ankle", "mankle", "calc", "toe", "5meta", "lelbow", "melbow", "lwrist", "mwrist",
    "thigh1", "thigh2", "thigh3", "sh1", "sh2", "sh3",
)  # fmt: skip


def _bvh_side(side: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """CMU's BVH files cut the side short in two names: LHipJoint, LThumb."""
    return tuple(f"{side[0] if name.startswith(('HipJoint', 'Thumb')) else side}{name}" for name in names)


def _study(pair: str) -> tuple[str, str]:
    """OpenCap's markers after the neural network that adds them: `r.ASIS_study`, `L.ASIS_study`, `r_knee_study`."""
    link = "." if pair.endswith("SIS") else "_"
    return f"r{link}{pair}_study", f"L{link}{pair}_study"


_ALL = (
    Skeleton(
        "sa3dhp17", "the project's 17 joints", JOINTS, "sa3dhp_edge/skeleton.py",
    ),
    Skeleton(
        "smpl24", "SMPL, 24 joints", (*_SMPL_BODY, *_both("hand")),
        "JOINT_NAMES_DICT of vchoutas/smplx (smplx/joint_names.py); the same list in many loaders, HumanML3D's first",
    ),
    Skeleton(
        "smplh52", "SMPL+H, 52 joints", (*_SMPL_BODY, *_sides("left", "right", _FINGERS)),
        "SMPLH_JOINT_NAMES of vchoutas/smplx (smplx/joint_names.py); loaders of AMASS with fingers, index finger first",
    ),
    Skeleton(
        "human36m32", "Human3.6M, 32 joints",
        (
            "Hips", *_sides("Right", "Left", _H36M_LEG), "Spine", "Spine1", "Neck", "Head", "HeadEnd",
            *_sides("Left", "Right", _H36M_ARM),
        ),
        "the 32 names with Site and L_Wrist_End in the loaders of human-motion-prediction's successors; the same order"
        " with offsets in una-dinosauria/human-motion-prediction (src/forward_kinematics.py)",
    ),
    Skeleton(
        "mpi_inf_3dhp28", "MPI-INF-3DHP, 28 joints of the training set",
        (
            "spine3", "spine4", "spine2", "spine", "pelvis", "neck", "head", "head_top",
            *_sides("left", "right", _MPI_ARM), *_sides("left", "right", _MPI_LEG),
        ),
        "the release's mpii_get_joints.m, set 'all', whose own names are left_leg_up, left_leg, left_foot, left_toe,"
        " left_ee: here left_foot is the base of the toes; train_joint_names in loaders of the set",
    ),
    Skeleton(
        "mpi_inf_3dhp17", "MPI-INF-3DHP, 17 joints of the test set",
        (
            "head_top", "neck", *_sides("right", "left", ("_shoulder", "_elbow", "_wrist")),
            *_sides("right", "left", ("_hip", "_knee", "_ankle")), "pelvis", "spine", "head",
        ),
        "the release's mpii_get_joints.m, set 'relevant'; test_joint_names in loaders of the set",
    ),
    Skeleton(
        "cmu31", "CMU, the ends of the 30 bones of an ASF file and its root",
        (
            "root", *_sides("l", "r", _ASF_LEG), "lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head",
            *_sides("l", "r", _ASF_ARM),
        ),
        "mocap.cs.cmu.edu's *.asf, as carried by public repositories; AMCParser of CalciferZh",
    ),
    Skeleton(
        "cmu_bvh38", "CMU as BVH, 31 joints and 7 ends",
        (
            "Hips", *_bvh_side("Left", _BVH_LEG), *_bvh_side("Right", _BVH_LEG), "LowerBack", "Spine", "Spine1", "Neck",
            "Neck1", "Head", "HeadEnd", *_bvh_side("Left", _BVH_ARM), *_bvh_side("Right", _BVH_ARM),
        ),
        "the cgspeed conversion of mocap.cs.cmu.edu, as carried by public repositories",
    ),
    Skeleton(
        "opencap20", "OpenCap, the 20 points seen in the videos", _OPENCAP_VIDEO,
        "getOpenPoseMarkerNames without getOpenPoseFaceMarkers, utilsChecker.py of stanfordnmbl/opencap-core; the same"
        " two in its descendants",
    ),
    Skeleton(
        "opencap63", "OpenCap, the points seen in the videos and 43 added markers",
        (
            *_OPENCAP_VIDEO, *(marker for pair in _STUDY_PAIRS for marker in _study(pair)), "C7_study",
            "r_shoulder_study", "L_shoulder_study", "RHJC_study", "LHJC_study",
        ),
        "getOpenPoseMarkers_fullBody of stanfordnmbl/opencap-core; marker lists of its viewers",
    ),
    Skeleton(
        "pose2sim_halpe26", "Pose2Sim, HALPE_26",
        ("Hip", *_sides("R", "L", _LEG), "Neck", "Head", "Nose", *_sides("R", "L", _ARM)),
        "HALPE_26 in Pose2Sim/skeletons.py of perfanalytics/pose2sim, read in the order of its tree",
    ),
    Skeleton(
        "pose2sim_body25b", "Pose2Sim, BODY_25B",
        (*_sides("R", "L", _LEG), "Neck", "Head", "Nose", *_sides("R", "L", _ARM)),
        "BODY_25B in Pose2Sim/skeletons.py of perfanalytics/pose2sim; its demo's TRC",
    ),
    Skeleton(
        "prepared18", "a prepared clip with truth, 18 joints",
        (
            "mid_hip", *_sides("r", "l", ("_hip", "_knee", "_ankle")), "lumbar",
            *_sides("r", "l", ("_shoulder", "_elbow", "_wrist")), "r_heel", "l_heel", "r_toe", "l_toe",
        ),
        "the names in a clip's gt_joints.npz, which `eval` reads",
    ),
    Skeleton(
        "prepared13", "a prepared clip with truth, 13 joints",
        (
            "mid_hip", *_sides("r", "l", ("_hip", "_knee", "_ankle")),
            *_sides("r", "l", ("_shoulder", "_elbow", "_wrist")),
        ),
        "the names in a clip's gt_joints.npz, which `eval` reads",
    ),
    Skeleton(
        "coco17", "COCO, 17 points",
        ("nose", *_both("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
        "person_keypoints annotations of cocodataset.org; coco.py of open-mmlab/mmpose",
    ),
)  # fmt: skip

SKELETONS: dict[str, Skeleton] = {skeleton.name: skeleton for skeleton in _ALL}
"""Every skeleton by its name."""


def skeleton(name: str) -> Skeleton:
    """The skeleton of this name.

    Raises:
        DataError: there is none.
    """
    if name not in SKELETONS:
        raise DataError(f"no skeleton is called {name!r}; there are {', '.join(SKELETONS)}")
    return SKELETONS[name]
