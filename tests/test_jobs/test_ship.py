"""The step that makes the shipped model: its recipe, its refusals, and the whole of it on a tiny run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sa3dhp_edge import shipped
from sa3dhp_edge.config import PRESETS, override, to_dict
from sa3dhp_edge.contract import read_contract
from sa3dhp_edge.errors import InputError
from sa3dhp_edge.jobs import ship as job
from sa3dhp_edge.jobs.ship import recipe, ship


def _run(folder: Path, settings: dict[str, Any], **inputs: str | None) -> Path:
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "inputs.json").write_text(json.dumps({f"--{k.strip('_')}": v for k, v in inputs.items()}))
    return folder


def test_a_recipe_names_what_differs_and_no_path_of_this_machine(tmp_path: Path) -> None:
    first = override(PRESETS["edge"], ["seed=3", "source.steps=9", "relations.rules_z=flip,tilt30", "adapt.cycles=1"])
    second = override(first, ["source.steps=20"])
    one = _run(tmp_path / "one", to_dict(first), source="synth", poses=str(tmp_path / "bvh"), from_=None)
    start = str(one / "weights")
    two = _run(tmp_path / "two", to_dict(second), source="synth", poses=str(tmp_path / "bvh"), from_=start)
    steps = recipe(two)
    assert steps == [
        "sa3dhp-edge pretrain --preset edge --poses CMU_BVH --set seed=3 --set relations.rules_z=flip,tilt30 "
        "--set source.steps=9 --out runs/one",
        "sa3dhp-edge pretrain --from runs/one --poses CMU_BVH --set source.steps=20 --out runs/two",
    ]


def test_a_recipe_goes_on_from_a_shipped_model(tmp_path: Path) -> None:
    """The commands that made the model in the box come first, under the name it was shipped by."""
    told = json.loads((shipped.FOLDER / "figures.json").read_text())
    begun = json.loads((shipped.FOLDER / "weights" / "settings.json").read_text())["settings"]
    more = begun | {"seed": 123, "threads": 7}
    steps = recipe(_run(tmp_path / "next", more, source="synth", poses="bvh", from_="shipped"))
    assert steps[:-1] == told["recipe"]
    start = f"sa3dhp-edge pretrain --from runs/{told['model']['name']} --poses CMU_BVH --set seed=123"
    assert steps[-1] == f"{start} --out runs/next"


def test_a_recipe_makes_the_settings_it_was_read_from(tmp_path: Path) -> None:
    made = override(PRESETS["demo"], ["seed=3", "image.width=8", "adapt.losses="])
    (line,) = recipe(_run(tmp_path / "r", to_dict(made), source="synth"))
    words = line.split()
    sets = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    again = override(PRESETS[words[words.index("--preset") + 1]], sets)
    assert to_dict(again) | {"adapt": None} == to_dict(made) | {"adapt": None}


def test_a_run_the_card_cannot_speak_for_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "clips" / "a").mkdir(parents=True)
    for file in ("gt_joints.npz", "video.mp4"):
        (tmp_path / "clips" / "a" / file).touch()
    with pytest.raises(InputError, match="was made without --poses"):
        ship(tiny_run, tmp_path / "clips", tmp_path / "m")
    with pytest.raises(InputError, match="holds no source_held_out"):
        ship(tmp_path, tmp_path / "clips", tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_one_step_makes_the_whole_folder(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "tiny"
    shutil.copytree(tiny_run, run)
    inputs = json.loads((run / "inputs.json").read_text())
    (run / "inputs.json").write_text(json.dumps(inputs | {"--poses": "bvh"}))
    (tmp_path / "clips" / "a").mkdir(parents=True)
    for file in ("gt_joints.npz", "video.mp4"):
        (tmp_path / "clips" / "a" / file).touch()
    found = {"frames": 3, "found": 1.0, "mpjpe": 200.0, "pa_mpjpe": 100.0}
    monkeypatch.setattr(job, "on_clip_folder", lambda *_: found)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "old").touch()
    figures = ship(run, tmp_path / "clips", tmp_path / "m", notes=("made for a test",))
    contract = read_contract(tmp_path / "m")
    assert (contract.name, contract.sha256()) == ("tiny", figures["model"]["sha256"])
    assert 0 < figures["half_precision_moves_mm"]["mean"] < 5
    assert json.loads((tmp_path / "m" / "figures.json").read_text()) == figures
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert "| a | 3 | 1.00 | 100.0 | 200.0 |" in card
    assert "- made for a test" in card
    assert not (tmp_path / "m" / "old").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips", "m", "tiny"]
