"""Is a loaded network the one that the contract promises, and do pictures fit it? The same words for every engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runtime.backends.base import Arrays
from sa3dhp_edge.contract import Tensor
from sa3dhp_edge.errors import ContractMismatch

_AGAIN = "export the model again from its run"


def check_network(where: Path | str, role: str, wanted: tuple[Tensor, ...], found: Mapping[str, Tensor]) -> None:
    """Stop unless every wanted tensor is there with its type and fixed sizes; more are allowed.

    Args:
        where: the network's file, for the message.
        role: "input" or "output".
        wanted: what the contract says.
        found: what the network has, by name.

    Raises:
        ContractMismatch: says what is missing or differs.
    """
    for tensor in wanted:
        has = found.get(tensor.name)
        if has is None:
            raise ContractMismatch(f"{where} has no {role} {tensor.name}; it has {', '.join(sorted(found))}", _AGAIN)
        if has.dtype != tensor.dtype or not fits(tensor.shape, has.shape):
            raise ContractMismatch(
                f"{where}: {role} {tensor.name} is {has.shape} {has.dtype}, "
                f"the contract says {tensor.shape} {tensor.dtype}",
                _AGAIN,
            )


def check_inputs(wanted: tuple[Tensor, ...], inputs: Arrays) -> int:
    """How many samples the inputs hold; they must fit what is wanted, and one another.

    Raises:
        ContractMismatch: an input is missing, or has another shape or type.
    """
    for tensor in wanted:
        array = inputs.get(tensor.name)
        if array is None or array.dtype != tensor.dtype or not fits(tensor.shape, array.shape):
            found = "nothing" if array is None else f"{array.shape} {array.dtype}"
            raise ContractMismatch(f"input {tensor.name} must be {tensor.shape} {tensor.dtype}, got {found}", _AGAIN)
    sizes = {t.name: len(inputs[t.name]) for t in wanted}
    if len(set(sizes.values())) > 1:
        raise ContractMismatch(f"inputs of one batch must be equally many, got {sizes}", _AGAIN)
    return next(iter(sizes.values()))


def fits(wanted: tuple[int | str, ...], found: tuple[int | str, ...]) -> bool:
    """Equal rank, and equal sizes wherever both are numbers."""
    return len(wanted) == len(found) and all(
        w == f for w, f in zip(wanted, found, strict=True) if isinstance(w, int) and isinstance(f, int)
    )
