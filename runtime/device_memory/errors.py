"""What goes wrong with a GPU, in words that say what to do about it."""

from __future__ import annotations

from sa3dhp_edge.errors import EngineError

_LOOK = "sa3dhp-edge doctor"
_LESS = "close other programs that use the GPU, or build the engine for fewer people at once"
_RESTART = "restart the program: after this the GPU takes no more work from it"
_HINTS = {
    "MemoryAllocation": _LESS, "OUT_OF_MEMORY": _LESS, "IllegalAddress": _RESTART, "ILLEGAL_ADDRESS": _RESTART,
}  # fmt: skip
"""Parts of names: those of CUDA's runtime API, and of its driver API."""


class DeviceError(EngineError):
    """The GPU, its driver or its memory does not do what it was asked."""


class WrongThread(DeviceError):
    """A thread uses the GPU memory of another one."""


class KernelError(DeviceError):
    """A kernel of ours does not compile for this GPU, or cannot be loaded."""


def cuda_error(call: str, name: str, text: str = "") -> DeviceError:
    """The error for a call that CUDA refused.

    Args:
        call: the function.
        name: CUDA's name of the error code.
        text: what CUDA says of it.
    """
    hint = next((hint for part, hint in _HINTS.items() if part in name), _LOOK)
    return DeviceError(f"the GPU refuses {call}: {name}" + (f" ({text})" if text else ""), hint)
