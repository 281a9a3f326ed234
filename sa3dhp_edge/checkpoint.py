"""Weights and training states as safetensors: atomic, no code inside, the settings beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from sa3dhp_edge.atomic import write_bytes
from sa3dhp_edge.atomic import write_json as write_json
from sa3dhp_edge.errors import TrainingError


def save_weights(path: Path, module: nn.Module, half: bool = False) -> None:
    """Every parameter and buffer of a module, by name.

    Args:
        half: keep matrices, which is nearly everything, in half precision; `load_weights` widens them again.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    write_bytes(path, to_bytes({k: v.half() if half and v.dim() >= 2 else v for k, v in tensors.items()}))


def load_weights(path: Path, module: nn.Module) -> None:
    """Fill a module from `save_weights`; names and shapes must agree.

    Raises:
        TrainingError: the file is missing or damaged, or belongs to a network of another form.
    """
    tensors, _ = _read(path)
    own = module.state_dict()
    wrong = sorted(set(own) ^ set(tensors)) or [k for k in own if own[k].shape != tensors[k].shape]
    if wrong:
        raise TrainingError(
            f"{path} does not fit the network: {wrong[0]} and {len(wrong) - 1} more names or shapes differ",
            "use the settings the weights were trained with",
        )
    module.load_state_dict(tensors)


def save_training(
    path: Path, step: int, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> None:
    """All that is needed to go on from `step`: weights and optimizer moments."""
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"module/{name}/{k}": v for k, v in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{name}/{index}/{k}": torch.as_tensor(v) for k, v in state.items()}
    about = {"step": str(step)}
    write_bytes(path, to_bytes({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, about))


def load_training(path: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]) -> int:
    """Restore `save_training`; returns the step to go on from, 0 where there is nothing saved.

    Raises:
        TrainingError: the file is damaged or belongs to other networks.
    """
    if not path.exists():
        return 0
    tensors, about = _read(path)
    own = {f"module/{name}/{k}": v.shape for name, module in modules.items() for k, v in module.state_dict().items()}
    if "step" not in about or own != {k: v.shape for k, v in tensors.items() if k.startswith("module/")}:
        raise TrainingError(f"{path} is no training state of these networks", "remove it to train this stage again")
    for name, module in modules.items():
        prefix = f"module/{name}/"
        module.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
    for name, optimizer in optimizers.items():
        prefix = f"optimizer/{name}/"
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(prefix):
                index, field = key[len(prefix) :].split("/")
                state.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(about["step"])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as e:
        raise TrainingError(f"{path} cannot be read as weights: {e}", "train this stage again") from e
