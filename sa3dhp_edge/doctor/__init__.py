"""What this machine has and lacks for adapting, exporting and running; each lack with what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sa3dhp_edge.doctor import devices, machine, models, nvidia, packages, torch_build
from sa3dhp_edge.doctor.ask import Answers, ask_all
from sa3dhp_edge.doctor.finding import Finding
from sa3dhp_edge.doctor.packages import OUR_GENERAL_NAMES

__all__ = ["OUR_GENERAL_NAMES", "Finding", "examine"]

_LOOKS: tuple[Callable[[Answers], Iterator[Finding]], ...] = (
    packages.python,
    machine.machine,
    packages.packages,
    packages.own_names,
    packages.opencv,
    packages.onnxruntime,
    models.shipped_model,
    torch_build.torch,
    nvidia.gpu,
    models.engines,
    machine.clocks,
    devices.cameras,
    devices.display,
    machine.room,
)


def examine() -> list[Finding]:
    """Everything, in the order in which a reader would ask; slow things are asked at once."""
    asking = (packages, models, torch_build, nvidia)
    answers = ask_all({name: question for part in asking for name, question in part.questions().items()})
    return [finding for look in _LOOKS for finding in look(answers)]
