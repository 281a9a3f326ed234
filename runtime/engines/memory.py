"""Is there memory enough to build, asked before the builder takes all of it?"""

from __future__ import annotations

import re
from pathlib import Path

from runtime.engines.api import PLAIN, RTX
from runtime.engines.driver import Gpu
from runtime.engines.log_causes import LESS_MEMORY
from runtime.engines.request import EngineRequest
from sa3dhp_edge.errors import EngineMemoryError

BUILDER_MB = {RTX: 512, PLAIN: 2048}
"""What a builder's process holds beside weights and workspace. TensorRT-RTX: 310 MiB were measured with the shipped
model; TensorRT: some 2 GiB by what the builder of version 10 logs of its kernel library, not measured on a board."""
WEIGHT_COPIES = 4
"""File, network, tried tactics and engine each hold the weights."""


def check_memory(
    request: EngineRequest, flavour: str, weights_mb: float, gpu: Gpu | None, meminfo: Path = Path("/proc/meminfo")
) -> None:
    """Refuse a build that would be killed. A system that does not tell its memory is not asked.

    Swap counts for what the processor holds; a GPU that shares the machine's memory cannot use it.

    Raises:
        EngineMemoryError: says what is needed, what is there, and what to do.
    """
    available_mb, swap_mb = _free_mb(meminfo)
    shared = gpu is not None and gpu.integrated
    workspace_mb = request.workspace_mb if gpu is not None else 0
    if gpu is not None and workspace_mb > gpu.memory_mb:
        raise EngineMemoryError(
            f"a workspace of {workspace_mb} MiB is more than the {gpu.memory_mb} MiB that {gpu.name} has",
            "lower --workspace-mb",
        )
    if available_mb is None:
        return
    needed_mb = BUILDER_MB[flavour] + WEIGHT_COPIES * weights_mb + (workspace_mb if shared else 0)
    if needed_mb > available_mb + swap_mb or (shared and workspace_mb > available_mb):
        raise EngineMemoryError(
            f"building needs about {needed_mb:.0f} MiB of memory, {workspace_mb if shared else 0} of it for the GPU; "
            f"{available_mb} are free, and {swap_mb} of swap",
            LESS_MEMORY,
        )


def _free_mb(meminfo: Path) -> tuple[int | None, int]:
    """Memory that can be had without swapping, None where the system does not say, and free swap: MiB."""
    try:
        text = meminfo.read_text()
    except OSError:
        return None, 0
    available, swap = (re.search(rf"{name}:\s+(\d+) kB", text) for name in ("MemAvailable", "SwapFree"))
    return (int(available[1]) >> 10 if available else None), (int(swap[1]) >> 10 if swap else 0)
