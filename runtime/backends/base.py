"""What every inference engine offers; engines are final classes directly below this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sa3dhp_edge.crop import CropCamera

BackendName = Literal["auto", "onnx", "tensorrt"]
"""What may be asked for; see `runtime.backends.opening`."""
Arrays = dict[str, NDArray[np.float32]]


class AbstractBackend(ABC):
    """One loaded network, fed and read by the names of its tensors."""

    @abstractmethod
    def infer(self, inputs: Arrays) -> Arrays:
        """Every output by name.

        Args:
            inputs: float32 arrays by input name; the first axis is the batch.

        Raises:
            ContractMismatch: an input is missing or has another shape than the network asks for.
        """

    cuts_crops = False
    """Whether `infer_crops` can be asked: the engine cuts crops out of frames where it computes."""

    def infer_crops(self, frame_bgr: NDArray[np.uint8], crops: Sequence[CropCamera]) -> Arrays:
        """Every output by name, for crops of a frame.

        Args:
            frame_bgr: (h, w, 3) uint8 without distortion.
            crops: one or more.
        """
        raise NotImplementedError(f"{type(self).__name__} cuts no crops")

    @abstractmethod
    def warm_up(self) -> None:
        """Run once on zeros, so that the first real picture is not the slow one."""

    @abstractmethod
    def close(self) -> None:
        """Give the engine's memory back; `infer` must not be called afterwards."""
