"""What does an engine depend on, and what differs between the one wanted and one that is there?"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from runtime.engines.api import FLAVOURS, RTX, find_tensorrt
from runtime.engines.driver import Gpu, find_gpu
from runtime.engines.onnx_file import OnnxFacts
from runtime.engines.request import EngineRequest
from sa3dhp_edge.contract import file_sha256
from sa3dhp_edge.errors import EngineError, MissingPackage, ModelError
from sa3dhp_edge.extras import findable

ANY = "any"
"""Stands for a GPU's name, CUDA and driver in an engine that was built ahead for a compute capability."""
NO_DLA = "none"
RECIPE = "1"
"""Raised when the way we build changes, so that engines of the old way are built again."""
_KEY_LETTERS = 16
_WORDS = {
    "gpu": "GPU",
    "sm": "compute capability",
    "flavour": "kind of TensorRT",
    "tensorrt": "TensorRT",
    "cuda": "CUDA",
    "driver": "driver",
    "network": "network",
    "precision": "precision",
    "people": "people",
    "flags": "flags",
    "dla": "DLA",
    "recipe": "way of building",
}


@dataclass(frozen=True)
class Machine:
    """What of this machine an engine depends on.

    Attributes:
        gpu: None where no driver answers.
        versions: of TensorRT by flavour; those that import.
    """

    gpu: Gpu | None
    versions: dict[str, str]


@dataclass(frozen=True)
class Fingerprint:
    """All that an engine depends on; two engines with one fingerprint do the same.

    Attributes:
        gpu, cuda, driver: see `Gpu`; or `ANY`.
        sm: compute capability, such as "sm87".
        flavour, tensorrt: which TensorRT, and its version.
        network: SHA-256 of g.onnx and of the files its weights lie in.
        precision: see `OnnxFacts`.
        people: smallest, usual and largest number, "1/1/4".
        flags: level and refit, in words. The workspace's cap is left out: it only bounds the search.
        dla: number of the accelerator it runs on, or `NO_DLA`.
        recipe: see `RECIPE`.
    """

    gpu: str
    sm: str
    flavour: str
    tensorrt: str
    cuda: str
    driver: str
    network: str
    precision: str
    people: str
    flags: str
    dla: str = NO_DLA
    recipe: str = RECIPE

    def key(self) -> str:
        """The name of an engine with this fingerprint: 16 hexadecimal letters."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()[:_KEY_LETTERS]

    def serves(self, wanted: Fingerprint) -> bool:
        """Whether an engine with this fingerprint does what is wanted."""
        return not differences(wanted, self)

    def runs_as(self, wanted: Fingerprint) -> bool:
        """Whether an engine with this fingerprint computes the wanted network on its machine, for however many people
        and however thoroughly it was built."""
        asked = dataclasses.replace(wanted, people=self.people, flags=self.flags, dla=self.dla)
        return self.serves(asked)


def differences(wanted: Fingerprint, stored: Fingerprint) -> list[str]:
    """One line for each field in which a stored engine is not the wanted one: "TensorRT 10.3.0 -> 10.13.2"."""
    return [
        f"{word} {_short(getattr(stored, field))} -> {_short(getattr(wanted, field))}"
        for field, word in _WORDS.items()
        if getattr(stored, field) not in (ANY, getattr(wanted, field))
    ]


def machine_for(request: EngineRequest) -> Machine:
    """This machine, with the one TensorRT that would build; what is not needed is not imported."""
    return this_machine((RTX,) if request.target else tuple(f for f in FLAVOURS if findable(f))[:1])


def this_machine(flavours: tuple[str, ...] = FLAVOURS) -> Machine:
    """Look at this machine, importing each TensorRT that is asked for."""
    versions = {}
    for flavour in flavours:
        try:
            versions[flavour] = find_tensorrt(flavour).version
        except (EngineError, MissingPackage):
            continue
    return Machine(find_gpu(), versions)


def fingerprint(network: str, facts: OnnxFacts, request: EngineRequest, machine: Machine) -> Fingerprint:
    """What the engine that is asked for depends on, on this machine or ahead for `request.target`.

    Args:
        network: see `network_sha256`.
        facts: of the same file.
        request: what is asked for.
        machine: this one.

    Raises:
        EngineError: no TensorRT that can build it, or no GPU and none named.
    """
    gpu, target = machine.gpu, request.target
    flavour, version = _library(request, machine)
    if gpu is None and target is None:
        raise EngineError(
            "an engine is made for a GPU, and no NVIDIA driver answers",
            "name a compute capability, such as --for sm86; without a GPU the model runs on ONNX Runtime",
        )
    name, sm, cuda, driver = (ANY, target or "", ANY, ANY) if gpu is None or target else _of(gpu)
    return Fingerprint(
        gpu=name,
        sm=sm,
        flavour=flavour,
        tensorrt=version,
        cuda=cuda,
        driver=driver,
        network=network,
        precision=facts.precision,
        people="/".join(map(str, request.people)),
        flags=f"level {request.level}" + ", refit" * request.refit,
        dla=NO_DLA if request.dla is None else str(request.dla),
    )


def network_sha256(onnx: Path, facts: OnnxFacts) -> str:
    """One hash for an ONNX file and the files that its weights lie in.

    Raises:
        ModelError: such a file is missing.
    """
    digest = hashlib.sha256(file_sha256(onnx).encode())
    for name in facts.external:
        beside = onnx.parent / name
        if not beside.is_file():
            raise ModelError(f"{onnx} keeps weights in {name}, which is not there", "copy the model folder as a whole")
        digest.update(f"{name} {file_sha256(beside)}".encode())
    return digest.hexdigest()


def machine_differences(stored: Fingerprint, machine: Machine) -> list[str]:
    """In which fields of the machine a stored engine is not one for this machine."""
    name, sm, cuda, driver = _of(machine.gpu) if machine.gpu else ("none", "none", "none", "none")
    version = machine.versions.get(stored.flavour, "none")
    wanted = dataclasses.replace(stored, gpu=name, sm=sm, cuda=cuda, driver=driver, tensorrt=version, recipe=RECIPE)
    return differences(wanted, stored)


def _library(request: EngineRequest, machine: Machine) -> tuple[str, str]:
    """Flavour and version of the TensorRT that builds."""
    for flavour in (RTX,) if request.target else FLAVOURS:
        if flavour in machine.versions:
            return flavour, machine.versions[flavour]
    library = find_tensorrt(RTX if request.target else None)  # raises, and says why
    return library.flavour, library.version


def _of(gpu: Gpu) -> tuple[str, str, str, str]:
    return gpu.name, gpu.sm, gpu.cuda, gpu.driver


def _short(value: str) -> str:
    """A hash's first letters; anything else whole."""
    return value[:8] if len(value) == 64 else value
