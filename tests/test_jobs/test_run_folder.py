"""A run on the disk: begun once, resumed as the same, taken back where nothing was made."""

from __future__ import annotations

from pathlib import Path

import pytest

from sa3dhp_edge.config import Settings, preset
from sa3dhp_edge.errors import ConfigError, DataError, InputError, OutputError, TrainingError
from sa3dhp_edge.jobs.run_folder import RunFolder, begun_settings, settings_for


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    RunFolder.start(tmp_path / "run", preset("demo"), resume=False)
    return tmp_path / "run"


def test_a_new_run_takes_preset_and_overrides(tmp_path: Path) -> None:
    assert settings_for(tmp_path / "run", None, (), resume=False) == Settings()
    made = settings_for(tmp_path / "run", "demo", ("adapt.cycles=3",), resume=False)
    assert (made.preset, made.adapt.cycles) == ("demo", 3)


def test_a_resumed_run_keeps_its_settings(begun: Path) -> None:
    settings = settings_for(begun, None, (), resume=True)
    assert settings == preset("demo") == begun_settings(begun)
    assert RunFolder.start(begun, settings, resume=True).settings == settings


def test_a_resumed_run_has_no_other_settings(begun: Path) -> None:
    other = settings_for(begun, None, ("seed=5", "adapt.cycles=3"), resume=True)
    with pytest.raises(ConfigError, match=r"adapt.cycles was 40, now 3[\s\S]*hint: resume it without --set"):
        RunFolder.start(begun, other, resume=True)


def test_a_run_that_exists_is_resumed_or_left_alone(begun: Path) -> None:
    with pytest.raises(OutputError, match=r"exists already[\s\S]*--resume"):
        RunFolder.start(begun, preset("demo"), resume=False)


@pytest.mark.parametrize("there", [True, False])
def test_only_a_run_can_be_resumed(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "none"
    if there:
        path.mkdir()
    with pytest.raises(InputError, match=r"there is no run at .*none[\s\S]*leave --resume out"):
        settings_for(path, None, (), resume=True)


@pytest.mark.parametrize("text", ["{", "[1]", '{"sed": 1}', "\0"])
def test_damaged_settings_are_named(begun: Path, text: str) -> None:
    (begun / "settings.json").write_text(text)
    with pytest.raises((DataError, ConfigError), match=r"settings.json is damaged|unknown setting sed"):
        settings_for(begun, None, (), resume=True)


def test_a_resumed_run_is_made_from_the_same(begun: Path, tmp_path: Path) -> None:
    run = RunFolder(begun, preset("demo"))
    run.made_from({"--source": "synth", "--from": tmp_path, "--poses": None})
    run.made_from({"--source": "synth", "--from": str(tmp_path), "--poses": None})
    run.made_from({"--target": "hall.mp4"})
    with pytest.raises(ConfigError, match=r"--source was 'synth', now 'mine'[\s\S]*hint: resume it with the same"):
        run.made_from({"--source": "mine", "--from": tmp_path, "--poses": None})
    with pytest.raises(ConfigError, match=r"--from was .*, now None"):
        run.made_from({"--source": "synth", "--from": None})
    with pytest.raises(ConfigError, match=r"--target was 'hall.mp4', now 'lab.mp4'"):
        run.made_from({"--target": "lab.mp4"})


def test_a_stage_is_done_once(begun: Path) -> None:
    run = RunFolder(begun, preset("demo"))
    run.training("one").parent.mkdir()
    run.training("one").write_text("state")
    assert not run.done("one")
    assert run.once("one", lambda: {"mm": 1.5}) == {"mm": 1.5}
    assert run.once("one", pytest.fail) == {"mm": 1.5}
    assert not run.training("one").exists()


def test_a_stage_that_fails_is_not_done(begun: Path) -> None:
    run = RunFolder(begun, preset("demo"))

    def fail() -> dict[str, float]:
        raise TrainingError("no")

    with pytest.raises(TrainingError):
        run.once("one", fail)
    assert not run.done("one")
    with pytest.raises(DataError, match=r"one.json is not there"):
        run.report("one")


def _fail(path: Path, error: BaseException, resume: bool = False, made: str | None = None) -> None:
    with RunFolder.start(path, preset("demo"), resume=resume) as run:
        (path / "log.jsonl").write_text("")
        if made:
            run.training(made).parent.mkdir()
            run.training(made).write_text("state")
        raise error


def test_a_run_that_failed_before_anything_was_made_is_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        _fail(tmp_path / "run", InputError("no video"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "resume", "made"),
    [
        (KeyboardInterrupt(), False, None),
        (InputError("no video"), False, "one"),
        (InputError("no video"), True, None),
    ],
)
def test_other_runs_stay(tmp_path: Path, error: BaseException, resume: bool, made: str | None) -> None:
    if resume:
        RunFolder.start(tmp_path / "run", preset("demo"), resume=False)
    with pytest.raises(type(error)):
        _fail(tmp_path / "run", error, resume, made)
    assert begun_settings(tmp_path / "run") == preset("demo")
