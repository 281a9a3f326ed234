"""A TensorRT engine: everything it needs is allocated once, and each batch size runs as one recorded graph.

Tensors are bound by name, with calls that TensorRT 8.6 to 11 and TensorRT-RTX share; nothing of TensorRT is imported.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, final

import numpy as np

from runtime.backends.base import AbstractBackend, Arrays
from runtime.backends.promise import check_inputs, check_network
from runtime.device_memory.buffer import Buffer
from runtime.device_memory.errors import DeviceError
from runtime.device_memory.protocol import DeviceMemory
from runtime.engines.log_causes import AGAIN
from sa3dhp_edge.contract import Tensor
from sa3dhp_edge.errors import EngineError

log = logging.getLogger(__name__)

_DTYPES = {"FLOAT": "float32", "HALF": "float16"}
_MOST_CONTEXTS = 4
"""Batch sizes with a context and a graph of their own; each costs the activations' memory once more."""


@final
class TensorRtBackend(AbstractBackend):
    """A deserialised engine whose inputs and outputs are the promised ones; for the thread that owns the memory.

    Args:
        engine: an `ICudaEngine`; only the first axis of its tensors may be free.
        memory: where its tensors lie; stays open.
        inputs: what the contract says goes in; None takes what the engine says.
        outputs: what the contract says comes out, more are allowed and not read; None takes all.
        max_batch: samples that run at once, larger batches are cut; None takes the engine's largest.
        name: of the engine in messages.

    Raises:
        EngineError: a null engine or context, a free axis that is not the batch, or `max_batch` beyond the engine's.
        ContractMismatch: names, types or fixed sizes differ from the contract's.
        DeviceError: the GPU has not enough memory.
    """

    def __init__(
        self,
        engine: Any,
        memory: DeviceMemory,
        inputs: tuple[Tensor, ...] | None = None,
        outputs: tuple[Tensor, ...] | None = None,
        max_batch: int | None = None,
        name: str = "the engine",
    ) -> None:
        if engine is None:
            raise EngineError(f"{name} could not be loaded: TensorRT gave none", AGAIN)
        memory.check_thread()
        goes_in, comes_out = _tensors(engine, "INPUT"), _tensors(engine, "OUTPUT")
        self.inputs = tuple(goes_in.values()) if inputs is None else inputs
        self.outputs = tuple(comes_out.values()) if outputs is None else outputs
        check_network(name, "input", self.inputs, goes_in)
        check_network(name, "output", self.outputs, comes_out)
        self._least, self.max_batch = _batches(engine, goes_in, max_batch, name)
        self._name, self._engine, self._memory = name, engine, memory
        self._free_inputs = [t for t in goes_in.values() if not isinstance(t.shape[0], int)]
        self._contexts: dict[int, Any] = {}
        self._graphs: dict[tuple[int, bool], int | None] = {}
        self._records, self._paused = memory.can_capture, False
        with ExitStack() as made:
            self.stream = memory.create_stream()
            made.callback(memory.destroy_stream, self.stream)
            self._buffers: dict[str, Buffer] = {}
            for tensor in (*goes_in.values(), *comes_out.values()):
                self._buffers[tensor.name] = Buffer(memory, _room(tensor, self.max_batch), tensor.dtype)
                made.callback(self._buffers[tensor.name].free)
            self._context = self._new_context()
            made.callback(self._let_go)
            self._made = made.pop_all()
        self._closed = False

    def infer(self, inputs: Arrays) -> Arrays:
        self._check_ready()
        count = check_inputs(self.inputs, inputs)
        answers = self._zeros(self.outputs, count)
        for start in range(0, count, self.max_batch):
            rows = min(self.max_batch, count - start)
            for tensor in self.inputs:
                np.copyto(self._buffers[tensor.name].array[:rows], inputs[tensor.name][start : start + rows])
            self._run(rows, upload=True)
            for name, answer in answers.items():
                answer[start : start + rows] = self._buffers[name].array[:rows]
        return answers

    def infer_filled(self, rows: int) -> Arrays:
        """As `infer`, of inputs that were put at `input_address` by work on `stream`.

        Args:
            rows: how many samples, at most `max_batch`.
        """
        self._check_ready()
        if not 0 < rows <= self.max_batch:
            raise EngineError(f"{self._name} takes 1 to {self.max_batch} filled samples at once, got {rows}")
        self._run(rows, upload=False)
        answers = self._zeros(self.outputs, rows)
        for name, answer in answers.items():
            answer[:] = self._buffers[name].array[:rows]
        return answers

    def input_address(self, name: str) -> int:
        """Where an input lies on the device: `max_batch` samples, one after the other."""
        return self._buffers[name].address

    def warm_up(self) -> None:
        for rows in sorted({self._least, self.max_batch}):
            self.infer(self._zeros(self.inputs, rows))

    @contextmanager
    def paused(self) -> Iterator[Any]:
        """The engine, to be refitted: nothing is in flight, `infer` is refused, graphs are recorded anew afterwards."""
        self._check_ready()
        self._memory.synchronise(self.stream)
        self._drop_graphs()
        self._paused = True
        try:
            yield self._engine
        finally:
            self._paused = False

    def close(self) -> None:
        if not self._closed:
            self._memory.check_thread()
            self._closed = True
            self._made.close()
            self._engine = None  # its contexts are gone, and so may it be

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            warnings.warn(f"{self._name} was not closed: its GPU memory stays taken", ResourceWarning, stacklevel=2)

    def _run(self, rows: int, upload: bool) -> None:
        """Compute what lies in the buffers, and wait for it."""
        rows = max(rows, self._least)  # what lies in the rows to spare is computed and not read
        graph = self._graphs.get((rows, upload))
        if graph is not None:
            self._memory.launch(graph, self.stream)
            self._memory.synchronise(self.stream)
            return
        context = self._context_for(rows)
        self._enqueue(context, rows, upload)
        self._memory.synchronise(self.stream)
        if self._contexts.get(rows) is context and (rows, upload) not in self._graphs:
            # only now: a context does its own preparations in its first run, and those cannot be recorded
            self._graphs[rows, upload] = self._recorded(context, rows, upload)

    def _enqueue(self, context: Any, rows: int, upload: bool) -> None:
        if upload:
            for tensor in self.inputs:
                self._buffers[tensor.name].upload(rows, self.stream)
        if not context.execute_async_v3(self.stream):
            raise EngineError(f"{self._name} could not be run at batch {rows}: see TensorRT's own messages", AGAIN)
        for tensor in self.outputs:
            self._buffers[tensor.name].download(rows, self.stream)

    def _recorded(self, context: Any, rows: int, upload: bool) -> int | None:
        """The graph of one run, on an idle stream; None, logged, where it cannot be recorded, which costs only time."""
        try:
            self._memory.begin_capture(self.stream)
            try:
                self._enqueue(context, rows, upload)
            except EngineError:
                self._abandon_recording()
                raise
            return self._memory.end_capture(self.stream)
        except EngineError as e:
            log.warning("no CUDA graph, every inference is launched piece by piece: %s", e.message)
            return None

    def _abandon_recording(self) -> None:
        """Leave the stream usable: a recording that failed has to be ended all the same."""
        try:
            self._memory.destroy_graph(self._memory.end_capture(self.stream))
        except DeviceError as e:
            log.debug("the broken recording ended with: %s", e.message)

    def _context_for(self, rows: int) -> Any:
        """The context that belongs to a batch size, where graphs are recorded, or the common one, set to that size.

        A graph is valid only while its context keeps its shapes.
        """
        if rows in self._contexts:
            return self._contexts[rows]
        if self._records and len(self._contexts) < _MOST_CONTEXTS:
            try:
                own = self._new_context()
                self._set_rows(own, rows)
            except EngineError as e:  # TensorRT 8 lets no two contexts share an optimization profile
                self._records = False
                log.warning("no further context, so no CUDA graphs: %s", e.message)
            else:
                self._contexts[rows] = own
                return own
        self._set_rows(self._context, rows)
        return self._context

    def _new_context(self) -> Any:
        context = self._engine.create_execution_context()
        if context is None:
            raise EngineError(
                f"{self._name} gives no execution context: the GPU has too little memory left, or it is no engine of "
                "this TensorRT and this GPU",
                f"close other programs that use the GPU, or {AGAIN}",
            )
        for name, buffer in self._buffers.items():
            if not context.set_tensor_address(name, buffer.address):
                raise EngineError(f"{self._name} takes no address for {name}", AGAIN)
        return context

    def _set_rows(self, context: Any, rows: int) -> None:
        for tensor in self._free_inputs:
            shape = (rows, *tensor.shape[1:])
            if not context.set_input_shape(tensor.name, shape):
                raise EngineError(f"{self._name} does not take {tensor.name} of shape {shape}", AGAIN)

    def _check_ready(self) -> None:
        if self._closed:
            raise EngineError(f"{self._name} was closed", "load the model again")
        self._memory.check_thread()
        if self._paused:
            raise EngineError(f"{self._name} gets new weights and cannot be used meanwhile", "wait for it to end")

    def _zeros(self, tensors: tuple[Tensor, ...], rows: int) -> Arrays:
        """Arrays with the sizes that the engine has, also where the contract leaves them open."""
        return {t.name: np.zeros((rows, *self._buffers[t.name].array.shape[1:]), t.dtype) for t in tensors}

    def _drop_graphs(self) -> None:
        graphs, self._graphs = self._graphs, {}
        for graph in graphs.values():
            if graph is not None:
                self._memory.destroy_graph(graph)

    def _let_go(self) -> None:
        self._drop_graphs()
        self._contexts.clear()
        self._context = None


def _tensors(engine: Any, mode: str) -> dict[str, Tensor]:
    """The engine's inputs or outputs by name; `batch` stands for a free first axis."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    return {name: _tensor(engine, name) for name in names if engine.get_tensor_mode(name).name == mode}


def _tensor(engine: Any, name: str) -> Tensor:
    shape = tuple(int(size) for size in engine.get_tensor_shape(name))
    if not shape or any(size < 0 for size in shape[1:]):
        raise EngineError(
            f"the engine's tensor {name} has shape {shape}: its first axis is to be the batch, all others fixed",
            "export the model again from its run",
        )
    dtype = engine.get_tensor_dtype(name).name
    return Tensor(name, ("batch" if shape[0] < 0 else shape[0], *shape[1:]), _DTYPES.get(dtype, dtype.lower()))


def _batches(engine: Any, inputs: dict[str, Tensor], wanted: int | None, name: str) -> tuple[int, int]:
    """Fewest and most samples of one run."""
    ranges = [
        (t.shape[0], t.shape[0]) if isinstance(t.shape[0], int) else _profile(engine, t.name) for t in inputs.values()
    ]
    least, most = max(low for low, _ in ranges), min(high for _, high in ranges)
    if wanted is not None and not least <= wanted <= most:
        raise EngineError(
            f"{name} was built for batches of {least} to {most}, {wanted} is asked for", "build it for that batch"
        )
    return least, most if wanted is None else wanted


def _profile(engine: Any, name: str) -> tuple[int, int]:
    low, _, high = engine.get_tensor_profile_shape(name, 0)
    return int(low[0]), int(high[0])


def _room(tensor: Tensor, max_batch: int) -> tuple[int, ...]:
    first, *rest = tensor.shape
    return (max_batch if isinstance(first, str) else first, *(int(size) for size in rest))
