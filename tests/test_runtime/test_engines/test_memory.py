"""A build that would be killed is refused before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runtime.engines.api import PLAIN, RTX
from runtime.engines.driver import Gpu
from runtime.engines.memory import BUILDER_MB, check_memory
from runtime.engines.request import EngineRequest
from sa3dhp_edge.errors import EngineMemoryError

ORIN = Gpu("Orin", (8, 7), 7620, True, "12.6", "L4T 36.4.0")
CARD = replace(ORIN, name="RTX 3060", integrated=False, memory_mb=12000)


def meminfo(tmp_path: Path, available_mb: int, swap_mb: int = 0) -> Path:
    path = tmp_path / "meminfo"
    path.write_text(
        f"MemTotal:  8000000 kB\nMemAvailable:  {available_mb << 10} kB\nSwapTotal: 1 kB\n"
        f"SwapFree:  {swap_mb << 10} kB\n"
    )
    return path


def test_a_jetsons_gpu_takes_the_machines_memory(tmp_path: Path) -> None:
    request = EngineRequest(workspace_mb=1000)
    enough = BUILDER_MB[PLAIN] + 1000 + 4 * 50
    check_memory(request, PLAIN, 50, ORIN, meminfo(tmp_path, enough))
    with pytest.raises(EngineMemoryError, match=f"about {enough} MiB .* 1000 of it for the GPU; {enough - 1} are free"):
        check_memory(request, PLAIN, 50, ORIN, meminfo(tmp_path, enough - 1))


def test_a_cards_memory_is_its_own(tmp_path: Path) -> None:
    request = EngineRequest(workspace_mb=9000)
    check_memory(request, PLAIN, 0, CARD, meminfo(tmp_path, BUILDER_MB[PLAIN]))
    with pytest.raises(EngineMemoryError, match="9000 MiB is more than the 8000 MiB that RTX 3060 has"):
        check_memory(request, PLAIN, 0, replace(CARD, memory_mb=8000), meminfo(tmp_path, 100000))


def test_swap_serves_the_processor_and_not_the_gpu(tmp_path: Path) -> None:
    request = EngineRequest(workspace_mb=1000)
    check_memory(request, PLAIN, 0, ORIN, meminfo(tmp_path, 1500, swap_mb=4000))
    with pytest.raises(EngineMemoryError) as caught:
        check_memory(request, PLAIN, 0, ORIN, meminfo(tmp_path, 900, swap_mb=4000))
    for way in ("close the desktop", "add swap", "--workspace-mb"):
        assert way in caught.value.hint


def test_ahead_of_time_no_gpu_asks_for_workspace(tmp_path: Path) -> None:
    request = EngineRequest(workspace_mb=100000, target="sm86")
    check_memory(request, RTX, 0, None, meminfo(tmp_path, BUILDER_MB[RTX]))
    with pytest.raises(EngineMemoryError):
        check_memory(request, RTX, 0, None, meminfo(tmp_path, BUILDER_MB[RTX] - 1))


def test_a_system_that_does_not_tell_is_not_asked(tmp_path: Path) -> None:
    check_memory(EngineRequest(), PLAIN, 50, ORIN, tmp_path / "nothing")
