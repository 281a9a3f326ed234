"""The levers of a synthetic world by name, and how each is taken out of it, for measuring what it is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.synth.domain import Domain

LEVERS: dict[str, dict[str, Any]] = {
    "height": {"height_mm": (1720, 1720)},
    "body_shape": {"proportion_jitter": 0.0, "build": (0, 0), "muscle": (0.4, 0.4)},
    "mesh_body": {"mesh_body": 0.0},
    "skin": {"skin": (0.25, 0.25)},
    "hair": {"long_hair": 0.0, "bald": 0.0, "cap": 0.0, "beard": 0.0},
    "cloth_texture": {"plain_cloth": 1.0, "creases": (0, 0)},
    "cloth_colour": {"cloth_brightness": (0.5, 0.5), "cloth_saturation": (0, 0), "natural": 0.0},
    "cloth_shape": {
        "sleeve": (0.5, 0.5), "trousers": (1.02, 1.02), "full_trousers": 1.0, "skirt": 0.0, "dress": 0.0, "coat": 0.0,
        "bare_chest": 0.0, "loose": 0.0, "tight": (4, 4), "gloves": 0.0, "barefoot": 0.0, "pack": 0.0, "one_piece": 0.0,
    },
    "head_turn": {"head_yaw_deg": 0.0},
    "everyday_colours": {"natural": 0.0},
    "lights": {"lights": (1, 1), "key_azimuth_deg": (20, 20), "key_elevation_deg": (50, 50), "key_strength": (0.8, 0.8),
               "ambient": (0.5, 0.5), "light_tint": 0.0},
    "shadow": {"shadow": (0, 0)},
    "camera_height": {"camera_height_mm": (1400, 1400), "eye_level": 0.0},
    "distance": {"distance_mm": (4000, 4000)},
    "focal": {"focal": (1.2, 1.2)},
    "roll": {"roll_deg": 0.0},
    "facing": {"facing_deg": 180.0},
    "off_centre": {"off_centre": 0.0},
    "background": {"backdrop": 1.0, "outdoor": 0.0, "photo": 0.0},
    "outdoor": {"outdoor": 0.0},
    "photo": {"photo": 0.0},
    "clutter": {"clutter": (0, 0)},
    "furniture": {"furnished": 0.0},
    "seat": {"seat": 0.0},
    "occluders": {"occluder": 0.0},
    "others": {"others": 0.0},
    "truncation": {"truncation": 0.0, "near_border": 0.0},
    "exposure": {"exposure": (1, 1), "gamma": (1, 1), "contrast": (1, 1), "saturation": (1, 1)},
    "white_balance": {"white_balance": 0.0},
    "blur": {"blur_px": (0, 0), "motion_blur_px": (0, 0), "limb_blur": 0.0},
    "defocus": {"defocus": 0.0},
    "noise": {"noise": (0, 0)},
    "sharpening": {"sharpen": (0, 0)},
    "banding": {"banding": 0.0},
    "jpeg": {"jpeg_quality": (100, 100)},
    "video_blocks": {"video_blocks": 0.0},
    "low_resolution": {"low_resolution": 0.0},
}  # fmt: skip
"""Name: the fields of a `Domain` that take the lever out: nobody differs in it, or it never happens."""

GROUPS: dict[str, tuple[str, ...]] = {
    "facing": ("facing",),
    "mesh_body": ("mesh_body",),
    "background": ("background",),
    "objects": ("clutter", "furniture", "seat"),
    "clothes": ("cloth_texture", "cloth_colour", "cloth_shape"),
    "sensor": ("exposure", "white_balance", "noise", "jpeg", "video_blocks", "banding", "sharpening"),
    "camera": ("camera_height", "distance", "focal", "roll"),
    "light": ("lights", "shadow"),
    "others": ("others",),
    "truncation": ("truncation",),
    "body": ("height", "body_shape"),
    "occluders": ("occluders",),
    "blur": ("blur", "defocus", "low_resolution"),
    "skin_hair": ("skin", "hair"),
    "colours": ("everyday_colours",),
}
"""Name: levers that belong together, for a study that cannot afford to take out each alone; the weighty ones first."""


def without(domain: Domain, *levers: str) -> Domain:
    """The domain with levers taken out; everything that they do not concern is drawn as before.

    Raises:
        ConfigError: there is no lever of that name.
    """
    fields: dict[str, Any] = {}
    for lever in levers:
        if lever not in LEVERS:
            raise ConfigError(f"there is no lever {lever!r}", f"choose from {', '.join(LEVERS)}")
        fields |= LEVERS[lever]
    return replace(domain, **fields)
