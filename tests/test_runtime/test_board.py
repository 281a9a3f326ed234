"""What boards tell of themselves, read from made-up /sys and /proc trees; and when "clean" may be said."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from runtime.bench import conditions
from runtime.bench.board import SysfsBoard, open_board
from runtime.bench.board_jtop import JtopBoard, open_jtop
from runtime.bench.conditions import CLOCK_TOLERANCE, OTHERS_MAX_SHARE, Range, Watch, busy_s, process_cpu_s
from runtime.bench.cores import held_to, usable_cores
from runtime.bench.reading import AbstractBoard, Reading
from runtime.jetson import jetpack, l4t_release, mode_named_in, power_mode

TICK = os.sysconf("SC_CLK_TCK")


def tree(root: Path, files: dict[str, object]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root


def orin(root: Path) -> Path:
    chip = "class/hwmon/hwmon1"
    return tree(
        root,
        {
            "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 1510400,
            "devices/system/cpu/cpu10/cpufreq/scaling_cur_freq": 729600,
            "class/devfreq/15340000.vic/cur_freq": 435200000,
            "class/devfreq/17000000.gpu/cur_freq": 624750000,
            "class/thermal/thermal_zone0/type": "cpu-thermal",
            "class/thermal/thermal_zone0/temp": 48500,
            "class/thermal/thermal_zone1/type": "cv0-thermal",
            "class/thermal/thermal_zone1/temp": -256000,
            "class/thermal/cooling_device0/type": "pwm-fan",
            "class/thermal/cooling_device0/cur_state": 2,
            "class/thermal/cooling_device1/type": "gpu-throttle-alert",
            "class/thermal/cooling_device1/cur_state": 0,
            f"{chip}/name": "ina3221",
            f"{chip}/in1_label": "VDD_IN",
            f"{chip}/in1_input": 5000,
            f"{chip}/curr1_input": 1400,
            f"{chip}/in2_label": "VDD_CPU_GPU_CV",
            f"{chip}/in2_input": 5000,
            f"{chip}/curr2_input": 400,
            f"{chip}/in7_label": "sum of shunt voltages",
            f"{chip}/in7_input": 900,
            f"{chip}/curr4_input": 9999,
            "class/hwmon/hwmon0/oc1_event_cnt": 3,
            "class/hwmon/hwmon0/oc2_event_cnt": 1,
        },
    )


def test_a_jetson_tells_clocks_heat_power_and_throttling(tmp_path: Path) -> None:
    seen = SysfsBoard(orin(tmp_path)).read()
    assert seen.cpu_mhz == {0: 1510.4, 10: 729.6}
    assert seen.gpu_mhz == 624.75
    assert seen.temperature_c == {"cpu-thermal": 48.5}, "a sensor that is off says -256"
    assert seen.power_w == pytest.approx(7.0), "the whole board, its parts not counted again"
    assert (seen.throttle_count, seen.slowed_by) == (4, ()), "a fan slows nothing down"
    tree(tmp_path, {"class/thermal/cooling_device1/cur_state": 1})
    assert SysfsBoard(tmp_path).read().slowed_by == ("gpu-throttle-alert",)


def test_rails_add_up_where_nobody_measures_the_whole(tmp_path: Path) -> None:
    orin(tmp_path)
    tree(tmp_path, {"class/hwmon/hwmon1/in1_label": "VDD_GPU_SOC"})
    assert SysfsBoard(tmp_path).read().power_w == pytest.approx(9.0)


def test_a_workstation_counts_heat_events_and_a_bare_machine_tells_nothing(tmp_path: Path) -> None:
    tree(
        tmp_path / "pc",
        {
            "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": 2,
            "devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": 5,
        },
    )
    assert SysfsBoard(tmp_path / "pc").read() == Reading(throttle_count=7)
    assert SysfsBoard(tmp_path / "nothing").read() == Reading()


class FakeJtop:
    """A started `jtop.jtop`, with the dictionaries that jetson-stats documents."""

    cpu: ClassVar = {"cpu": [{"online": True, "freq": {"cur": 1984000}}, {"online": False}]}
    gpu: ClassVar = {"gpu": {"freq": {"cur": 918000}}}
    temperature: ClassVar = {"cpu": {"online": True, "temp": 50.5}, "cv0": {"online": False, "temp": -256}}
    power: ClassVar = {"rail": {}, "tot": {"power": 8100}}
    closed = 0
    fails = False

    def start(self) -> None:
        if self.fails:
            raise JtopException

    def close(self) -> None:
        type(self).closed += 1


class JtopException(Exception):
    pass


def test_jetson_stats_is_asked_where_its_service_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(jtop=type("J", (FakeJtop,), {}), JtopException=JtopException)
    monkeypatch.setitem(sys.modules, "jtop", module)
    with open_board(orin(tmp_path)) as board:
        seen = board.read()
    assert (board.told_by, module.jtop.closed) == ("jetson-stats", 1)
    assert (seen.cpu_mhz, seen.gpu_mhz, seen.power_w) == ({0: 1984.0}, 918.0, 8.1)
    assert (seen.temperature_c, seen.throttle_count) == ({"cpu": 50.5}, 4)
    module.jtop.fails = True
    with open_board(tmp_path) as board:
        assert board.told_by == "sysfs"
    monkeypatch.setitem(sys.modules, "jtop", None)
    with open_jtop(SysfsBoard(tmp_path)) as jtop:
        assert jtop is None


def test_jetson_stats_without_power_leaves_the_kernels_word(tmp_path: Path) -> None:
    jetson = type("J", (FakeJtop,), {"power": {}, "gpu": {}, "temperature": {}})()
    seen = JtopBoard(jetson, SysfsBoard(orin(tmp_path))).read()
    assert (seen.power_w, seen.gpu_mhz) == (pytest.approx(7.0), 624.75)
    assert seen.temperature_c == {"cpu-thermal": 48.5}


class Told(AbstractBoard):
    """A board that says one thing after another, then the last for ever."""

    told_by = "test"

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)

    def read(self) -> Reading:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system in which this process has computed 1 s, and everybody together 100 s; 1000 s pass from look to look."""
    clock = iter(range(0, 10**6, 1000))
    monkeypatch.setattr(conditions.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(conditions.os, "cpu_count", lambda: 4)
    root = tmp_path / "proc"
    computed(root, all_s=100, ours_s=1)
    return root


def computed(proc: Path, all_s: float, ours_s: float) -> None:
    user, stolen = int((all_s - 5) * TICK), 5 * TICK
    half = int(ours_s * TICK) // 2
    ticks = f"{half - 1} 1 {half - 1} 1"  # its own and in the kernel, then those of children it has waited for
    tree(
        proc,
        {
            "stat": f"cpu  {user} 0 0 777777 888888 0 0 {stolen} 0 0",
            f"{os.getpid()}/stat": f"1 (a) b) S 0 0 0 0 0 0 0 0 0 0 {ticks}",
        },
    )


def steady(mhz: float = 1500.0, **more: Any) -> Reading:
    return Reading(cpu_mhz={0: 300.0, 1: mhz, 2: 9000.0}, **more)


def test_cpu_times_are_read_whatever_a_program_is_called(proc: Path) -> None:
    assert busy_s(proc) == pytest.approx(100)
    assert process_cpu_s(proc, os.getpid()) == pytest.approx(1, abs=2 / TICK)
    assert (busy_s(proc / "none"), process_cpu_s(proc, 0)) == (None, 0.0)


def test_clean_is_said_of_a_quiet_board_with_steady_clocks(proc: Path) -> None:
    watch = Watch(Told(steady(1500, throttle_count=4), steady(1480, throttle_count=4)), (0, 1), proc)
    watch.look()
    computed(proc, all_s=600, ours_s=480)
    judged = watch.conditions()
    assert (judged.clean, judged.why_not) == (True, ())
    assert judged.cpu_mhz == Range(1480.0, 1500.0), "of the fastest core that is used"
    assert (judged.throttle_events, judged.readings) == (0, 2)
    assert 0 < (judged.others_share or 0) < OTHERS_MAX_SHARE


@pytest.mark.parametrize(
    ("readings", "all_s", "words"),
    [
        ((steady(throttle_count=1), steady(throttle_count=3)), 120, "throttled 2 times"),
        ((steady(slowed_by=("cpu-throttle-alert",)), steady()), 120, "slowed down by cpu-throttle-alert"),
        ((steady(1500), steady(1500 * (1 - 2 * CLOCK_TOLERANCE))), 120, "CPU's clock moved between 1410 and 1500 MHz"),
        ((steady(gpu_mhz=300.0), steady(gpu_mhz=600.0)), 120, "GPU's clock moved between 300 and 600 MHz"),
        ((Reading(), Reading()), 120, "CPU's clock is not told"),
        ((steady(), steady()), 1800, "other processes took"),
    ],
)
def test_every_disturbance_forbids_the_word(
    proc: Path, readings: tuple[Reading, ...], all_s: float, words: str
) -> None:
    watch = Watch(Told(*readings), (0, 1), proc)
    watch.look()
    computed(proc, all_s=all_s, ours_s=20)
    judged = watch.conditions()
    assert not judged.clean
    assert len(judged.why_not) == 1
    assert words in judged.why_not[0]


def test_a_process_of_the_measurement_is_not_another_one(proc: Path) -> None:
    tree(proc, {"77/stat": f"77 (peer) S 0 0 0 0 0 0 0 0 0 0 {1000 * TICK} {700 * TICK} 0 0"})
    shares = []
    for ours in ((), (77,)):
        computed(proc, all_s=100, ours_s=1)
        watch = Watch(Told(steady()), (0, 1), proc)
        for pid in ours:
            watch.counts_as_ours(pid)
        computed(proc, all_s=1801, ours_s=1)
        shares.append(watch.conditions().others_share)
    assert shares[0] is not None
    assert shares[0] > OTHERS_MAX_SHARE
    assert shares[1] == pytest.approx(0, abs=0.001)


def test_work_is_held_to_its_cores_and_let_go_again() -> None:
    before = usable_cores()
    with held_to(1) as cores:
        assert usable_cores() == cores == before[-1:]
    assert usable_cores() == before
    with held_to(None) as cores:
        assert cores == before


def test_l4t_and_its_jetpack(tmp_path: Path) -> None:
    (tmp_path / "release").write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic")
    assert l4t_release(tmp_path / "release") == "36.4.3"
    (tmp_path / "release").write_text("something else")
    assert l4t_release(tmp_path / "release") == "unknown"
    assert l4t_release(tmp_path / "absent") is None
    names = {"36.4.0": "6.1", "36.4.3": "6.2", "38.2.1": "7.0", "35.4.1": "5.1.2", "99.1.0": None, "unknown": None}
    assert {l4t: jetpack(l4t) for l4t in names} == names


def test_the_power_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mode_named_in("NV Fan Mode:quiet\nNV Power Mode: MAXN_SUPER\n2\n") == "MAXN_SUPER"
    assert mode_named_in("no permission") is None
    program = tmp_path / "nvpmodel"
    program.write_text("#!/bin/sh\necho 'NV Power Mode: 15W'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert power_mode() == "15W"
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert power_mode() is None
