"""What a synthetic world may look like: every lever a named field, and the worlds in use."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]
Patterns = tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """The levers of a synthetic world. A `Range` is drawn from uniformly, once per clip unless said.

    Probabilities are 0..1, angles degrees, lengths mm; colours' brightness and saturation 0..1.
    """

    name: str
    # bodies
    height_mm: Range = (1450, 2000)
    proportion_jitter: float = 0.08
    build: Range = (-1, 1)  # slim to heavy
    muscle: Range = (0, 1)
    female: float = 0.5
    skin: Range = (0, 1)  # light to dark
    mesh_body: float = 0  # probability of the realistic body, where its data are; the rest are made of lofts
    facing_deg: float = 180  # in the clip's middle the person faces the camera within this to either side
    facing_share: float = 1  # of all people; the rest face any way
    head_yaw_deg: float = 35  # the face turns this far to either side of the chest
    fist: float = 0.4
    # clothes
    sleeve: Range = (0.1, 1.02)  # share of the arm covered
    trousers: Range = (0.2, 1.02)  # share of the leg covered
    full_trousers: float = 0.55  # down to the shoes
    skirt: float = 0.15
    dress: float = 0.1
    coat: float = 0.1
    bare_chest: float = 0.03
    one_piece: float = 0.1  # top and trousers of one cloth
    tight: Range = (1, 12)
    loose: float = 0.4  # probability that the cloth stands off by `loose_mm` instead of `tight`
    loose_mm: Range = (12, 38)
    cloth_patterns: Patterns = ("plain", "stripes", "checks", "dots", "camouflage", "noise", "print", "collage")
    plain_cloth: float = 0.55
    cloth_brightness: Range = (0.03, 0.98)
    cloth_saturation: Range = (0, 0.9)
    creases: Range = (0, 1.2)
    gloves: float = 0.05
    barefoot: float = 0.1
    long_hair: float = 0.35
    bald: float = 0.07
    cap: float = 0.12
    beard: float = 0.15
    pack: float = 0.07
    # light
    lights: tuple[int, int] = (1, 3)
    key_azimuth_deg: Range = (-180, 180)  # 0 shines from the camera, 90 from its right
    key_elevation_deg: Range = (10, 80)
    key_strength: Range = (0.3, 1.6)
    ambient: Range = (0.15, 0.8)
    light_tint: float = 0.25
    shadow: Range = (0.3, 1)
    # camera
    focal: Range = (0.6, 2.4)  # over the frame's width
    camera_height_mm: Range = (300, 3000)
    distance_mm: Range = (2000, 7000)
    roll_deg: float = 6
    off_centre: float = 0.7  # how far from the frame's centre the person may stand, 1 is the border
    eye_level: float = 0  # probability that the camera's height is drawn from `eye_level_mm` instead
    eye_level_mm: Range = (900, 1700)
    # background
    natural: float = 0  # share of cloths and rooms in everyday colours: greys, whites, beiges, blues, few strong ones
    furnished: float = 0  # share of scenes with furniture, trees, houses; in the rest the clutter is boxes
    photo: float = 0  # share of scenes before one of the user's photos, where those are given
    backdrop: float = 0.15
    outdoor: float = 0.35  # the rest are rooms
    wall_patterns: Patterns = (
        "plain",
        "noise",
        "collage",
        "bricks",
        "wood",
        "checks",
        "stripes",
        "foliage",
        "camouflage",
        "print",
    )
    plain_wall: float = 0.35
    wall_brightness: Range = (0.05, 0.98)
    wall_saturation: Range = (0, 0.6)
    room_depth_mm: Range = (800, 6000)  # from the person to the wall behind
    seat: float = 0.9  # a box under somebody who sits
    clutter: tuple[int, int] = (0, 12)
    occluder: float = 0.2
    others: float = 0  # probability that other people are near
    others_count: tuple[int, int] = (1, 3)
    others_in_front: float = 0.2
    # the frame's border
    truncation: float = 0  # probability that it cuts the person
    near_border: float = 0  # probability that it only crosses the crop
    seen_box: float = 0.3  # of those cut: the crop is round what the frame shows of them
    portrait: float = 0  # probability of a frame that stands upright
    # picture
    exposure: Range = (0.6, 1.6)
    gamma: Range = (0.8, 1.25)
    white_balance: float = 0.2
    contrast: Range = (0.7, 1.2)
    saturation: Range = (0.4, 1.3)
    defects: float = 1  # above 1 noise, blur and compression are more often slight than strong
    low_resolution: float = 0  # probability that the person has fewer pixels than the crop
    low_resolution_factor: Range = (1.3, 3.5)
    video_blocks: float = 0  # probability of a video codec's smeared blocks and coarse colour
    defocus: float = 0  # probability that what is behind and before the person is out of focus
    defocus_px: Range = (0.7, 3)
    banding: float = 0  # probability of brightness that falls off to a side or rolls over the picture
    noise: Range = (0, 0.05)
    blur_px: Range = (0, 1.3)  # of a 128-pixel crop
    motion_blur_px: Range = (0, 3)
    limb_blur: float = 0  # probability that moving limbs are blurred along their way
    sharpen: Range = (0, 0.8)
    jpeg_quality: Range = (25, 100)


DOMAINS: dict[str, Domain] = {
    "studio": Domain(
        name="studio", facing_deg=70,
        height_mm=(1620, 1850), proportion_jitter=0.03, build=(-0.3, 0.3), muscle=(0.2, 0.6), skin=(0.05, 0.5),
        head_yaw_deg=15,
        sleeve=(0.4, 0.6), trousers=(0.95, 1.02), skirt=0, dress=0, coat=0, bare_chest=0, one_piece=0, tight=(2, 7),
        loose=0,
        cloth_patterns=("plain",), plain_cloth=1, cloth_brightness=(0.35, 0.9), creases=(0, 0.4),
        gloves=0, barefoot=0, long_hair=0.2, bald=0, cap=0, beard=0, pack=0,
        lights=(2, 2), key_azimuth_deg=(-35, 35), key_elevation_deg=(30, 55), key_strength=(0.5, 0.8),
        ambient=(0.45, 0.6),
        light_tint=0.03, shadow=(0.2, 0.35),
        focal=(1.2, 1.5), camera_height_mm=(1350, 1650), distance_mm=(3800, 5000), roll_deg=0.5, off_centre=0.3,
        backdrop=0.5, outdoor=0, wall_patterns=("plain",), wall_brightness=(0.7, 0.95), wall_saturation=(0, 0.12),
        room_depth_mm=(1500, 3500), clutter=(0, 0), occluder=0,
        exposure=(0.95, 1.1), gamma=(0.97, 1.03), white_balance=0.02, contrast=(0.97, 1.03), saturation=(0.95, 1.05),
        noise=(0, 0.008), blur_px=(0, 0.2), motion_blur_px=(0, 0), sharpen=(0, 0), jpeg_quality=(95, 100),
    ),
    "site": Domain(
        name="site", facing_deg=70,
        height_mm=(1480, 1980), build=(0.1, 1), muscle=(0.3, 1), skin=(0.2, 1), head_yaw_deg=40,
        sleeve=(0.85, 1.02), trousers=(0.9, 1.02), skirt=0, dress=0, coat=0.35, bare_chest=0, one_piece=0.35, loose=0.9,
        loose_mm=(14, 34), cloth_patterns=("stripes", "checks", "camouflage", "noise", "print"), plain_cloth=0.35,
        cloth_brightness=(0.04, 0.45), cloth_saturation=(0.1, 0.8), creases=(0.5, 1.3), gloves=0.4, barefoot=0,
        long_hair=0.15, cap=0.5, pack=0.2,
        lights=(1, 2), key_azimuth_deg=(50, 130), key_elevation_deg=(20, 50), key_strength=(0.8, 1.5), ambient=(0.1,
        0.3),
        light_tint=0.2, shadow=(0.7, 1),
        focal=(0.6, 0.9), camera_height_mm=(2300, 3300), distance_mm=(2500, 4500), roll_deg=5,
        backdrop=0, outdoor=0, wall_patterns=("bricks", "wood", "collage", "noise", "camouflage"), plain_wall=0,
        wall_brightness=(0.1, 0.6),
        wall_saturation=(0.1, 0.5), room_depth_mm=(1000, 4000), clutter=(5, 12), occluder=0.25,
        exposure=(0.6, 1.0), gamma=(0.85, 1.0), white_balance=0.18, contrast=(0.75, 0.95), saturation=(0.5, 0.9),
        noise=(0.02, 0.05), blur_px=(0.4, 1.2), jpeg_quality=(25, 60), sharpen=(0, 0.3),
    ),
    "park": Domain(
        name="park", facing_deg=70, mesh_body=1, natural=1, furnished=1, backdrop=0, outdoor=1,
        height_mm=(1500, 1950), build=(-1, 0.6), skin=(0, 1), head_yaw_deg=40,
        sleeve=(0.1, 0.35), trousers=(0.2, 0.5), full_trousers=0.1, skirt=0.2, dress=0.2, coat=0, bare_chest=0.1,
        one_piece=0, tight=(1, 6), loose=0.1, cloth_patterns=("stripes", "dots", "print"), plain_cloth=0.5,
        cloth_brightness=(0.4, 0.98), cloth_saturation=(0.3, 0.9), creases=(0.2, 0.8), gloves=0, barefoot=0.3,
        long_hair=0.5, cap=0.3, pack=0.1,
        lights=(1, 1), key_azimuth_deg=(-160, 160), key_elevation_deg=(35, 75), key_strength=(1.1, 1.7),
        ambient=(0.35, 0.6), light_tint=0.08, shadow=(0.6, 1),
        focal=(1.6, 2.4), camera_height_mm=(500, 1300), distance_mm=(4500, 8000), roll_deg=4, clutter=(4, 14),
        occluder=0.1, others=0.2,
        exposure=(0.9, 1.5), gamma=(1.1, 1.4), white_balance=0.06, contrast=(1.1, 1.4), saturation=(0.9, 1.35),
        noise=(0, 0.01), blur_px=(0, 0.6), motion_blur_px=(0, 2), sharpen=(0.2, 0.8), jpeg_quality=(60, 95),
    ),
    "wide": Domain(
        name="wide", mesh_body=0.5, facing_deg=75, facing_share=0.72, natural=0.85, furnished=0.85, eye_level=0.55,
        bare_chest=0.15, barefoot=0.2, full_trousers=0.45, clutter=(2, 18), room_depth_mm=(600, 7000), backdrop=0.1,
        roll_deg=9, distance_mm=(2000, 8000), others=0.3, truncation=0.15, near_border=0.15, photo=0.5, portrait=0.3,
        occluder=0.18,
        key_strength=(0.2, 1.8), ambient=(0.25, 0.9), light_tint=0.15, shadow=(0.2, 1),
        exposure=(0.55, 1.6), gamma=(1.05, 1.6), contrast=(1.0, 1.4), white_balance=0.12, saturation=(0.6, 1.35),
        defects=3.5, limb_blur=0.5, low_resolution=0.2, video_blocks=0.2, defocus=0.12, banding=0.15,
    ),
}  # fmt: skip
"""`studio` is a labelled source; `site` and `park` are targets unlike it and unlike each other; `wide` is a source for
real video."""
