"""A trained model learns on: its other networks stay as they are, and what they were trained with cannot be set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from export.model_folder import read_weights
from sa3dhp_edge.errors import ConfigError
from sa3dhp_edge.jobs.given_model import given_model
from sa3dhp_edge.jobs.pretrain import pretrain

SETS = (
    "source.steps=2", "source.batch=8", "source.streaming=false", "source.clips=2", "source.held_out_clips=1",
    "source.frames_per_clip=2", "motion.procedural_seconds=60",
)  # fmt: skip


def _sets(run: Path) -> tuple[str, ...]:
    begun = json.loads((run / "settings.json").read_text())["motion"]["procedural_seconds"]
    return (*SETS[:-1], f"motion.procedural_seconds={begun}")


def test_a_model_learns_on_and_nothing_but_its_image_network_moves(tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "longer"
    report = pretrain(
        source="synth", poses=None, start=str(tiny_run), preset=None, overrides=_sets(tiny_run), out=out, resume=False
    )
    assert report["source"]["pa_mpjpe"] > 0
    before = {p.name: p.read_bytes() for p in (tiny_run / "weights").glob("*.safetensors")}
    after = {p.name: p.read_bytes() for p in (out / "weights").glob("*.safetensors")}
    assert [name for name in sorted(before) if before[name] != after[name]] == ["g.safetensors"]
    old, new = read_weights(tiny_run), read_weights(out)
    assert new.lineage[: len(old.lineage)] == old.lineage
    assert len(new.lineage) == len(old.lineage) + 1
    assert new.settings.source.steps == 2


def test_of_the_given_model_as_much_stays_as_was_asked(tiny_run: Path, tmp_path: Path) -> None:
    learned = {}
    for share in (0.0, 0.25, 1.0):
        out = tmp_path / f"{share}"
        sets = (*_sets(tiny_run), f"source.given_share={share}")
        pretrain(source="synth", poses=None, start=str(tiny_run), preset=None, overrides=sets, out=out, resume=False)
        learned[share] = read_weights(out).g.state_dict()
    given = read_weights(tiny_run).g.state_dict()
    assert any(not torch.equal(learned[0.0][k], given[k]) for k in given)
    for name, tensor in given.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(learned[1.0][name], tensor)
            torch.testing.assert_close(learned[0.25][name], 0.75 * learned[0.0][name] + 0.25 * tensor)


def test_what_the_model_was_trained_with_stays(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"image\.… changes what the model was trained with"):
        pretrain(
            source="synth", poses=None, start=str(tiny_run), preset=None, overrides=("image.width=12",),
            out=tmp_path / "run", resume=False,
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_how_many_cores_a_model_was_trained_on_is_forgotten(tiny_run: Path) -> None:
    assert read_weights(tiny_run).settings.threads == 1
    assert (given_model(str(tiny_run)).settings.threads, given_model("shipped").settings.source.workers) == (0, 0)
