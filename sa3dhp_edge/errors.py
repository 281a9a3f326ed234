"""The exception family: every message says what is wrong, where, and what to try next."""

from __future__ import annotations


class Sa3dhpError(Exception):
    """A mistake or a condition the user can act on; the command line prints it and exits with `exit_status`.

    Args:
        message: what is wrong and where (a path, a key, an expected and a found value).
        hint: the next thing to try, printed on a line of its own.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class ConfigError(Sa3dhpError):
    """A setting is unknown, of the wrong type, or contradicts another one."""


class ShapeError(Sa3dhpError):
    """An array does not have the shape, the type or the values its receiver asks for."""


class InputError(Sa3dhpError):
    """A camera, video, folder or file that was named cannot be used."""


class CameraLost(InputError):
    """A live camera was there and stopped giving frames."""


class NobodyFound(InputError):
    """A whole input was read and no person was found in it."""


class DataError(Sa3dhpError):
    """A data set, motion file or recording is damaged or not in the stated format."""


class ModelError(Sa3dhpError):
    """A model folder is missing, damaged, foreign or of another format."""


class ContractMismatch(ModelError):
    """A model's files disagree with the contract that lies beside them."""


class ParityError(ModelError):
    """An exported network does not compute what the trained one computes."""


class EngineError(Sa3dhpError):
    """An inference engine cannot be built, found, loaded or trusted on this machine."""


class EngineBuildError(EngineError):
    """The builder of an engine refused, crashed or took too long."""


class EngineMemoryError(EngineBuildError):
    """The builder of an engine ran out of memory."""


class EngineStale(EngineError):
    """No stored engine was made for this model and this machine."""


class CanaryError(EngineError):
    """A loaded engine does not give the poses that the same network gives in ONNX Runtime."""


class OutputError(Sa3dhpError):
    """A result cannot be written: it exists already, or the disk refuses."""


class TrainingError(Sa3dhpError):
    """Training cannot go on: no usable data, a loss that is not finite, a foreign checkpoint."""


class MissingPackage(Sa3dhpError):
    """A package of an optional extra is needed and is not installed."""
