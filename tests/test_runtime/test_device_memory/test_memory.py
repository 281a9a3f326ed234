"""One behaviour on every kind of device memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from runtime.device_memory.buffer import Buffer
from runtime.device_memory.errors import DeviceError, WrongThread
from runtime.device_memory.protocol import DeviceMemory


def test_arrays_go_to_the_device_and_return(memory: DeviceMemory, rng: np.random.Generator) -> None:
    stream = memory.create_stream()
    there, back = memory.pinned((3, 5)), memory.pinned((3, 5))
    assert there.shape == (3, 5)
    assert there.dtype == np.float32
    there[:] = rng.normal(size=(3, 5))
    address = memory.allocate(there.nbytes)
    memory.copy_to_device_async(address, there, stream)
    memory.copy_to_host_async(back, address, stream)
    memory.synchronise(stream)
    np.testing.assert_array_equal(back, there)
    memory.free(address)
    memory.free_pinned(there)
    memory.free_pinned(back)
    memory.destroy_stream(stream)


def test_a_buffer_copies_the_rows_that_are_asked_for(memory: DeviceMemory) -> None:
    stream, buffer = memory.create_stream(), Buffer(memory, (4, 2), np.float16)
    buffer.array[:] = np.arange(8).reshape(4, 2)
    buffer.upload(2, stream)
    memory.synchronise(stream)
    buffer.array[:] = -1
    buffer.download(2, stream)
    memory.synchronise(stream)
    np.testing.assert_array_equal(buffer.array, [[0, 1], [2, 3], [-1, -1], [-1, -1]])
    buffer.free()
    with pytest.raises(DeviceError, match="not held"):
        buffer.free()


def test_nothing_is_given_back_twice(memory: DeviceMemory) -> None:
    address, stream = memory.allocate(8), memory.create_stream()
    for release, handle in ((memory.free, address), (memory.destroy_stream, stream)):
        release(handle)
        with pytest.raises(DeviceError, match="given back twice"):
            release(handle)


def test_a_graph_does_again_what_was_recorded(memory: DeviceMemory) -> None:
    if not memory.can_capture:
        with pytest.raises(DeviceError, match="not recorded through PyCUDA"):
            memory.begin_capture(memory.create_stream())
        return
    stream, there, back = memory.create_stream(), memory.pinned((4,)), memory.pinned((4,))
    address = memory.allocate(there.nbytes)
    memory.begin_capture(stream)
    memory.copy_to_device_async(address, there, stream)
    memory.copy_to_host_async(back, address, stream)
    graph = memory.end_capture(stream)
    memory.synchronise(stream)
    assert not back.any(), "recorded, not done"
    for value in (1.0, 2.0):
        there[:] = value
        memory.launch(graph, stream)
        memory.synchronise(stream)
        assert (back == value).all()
    memory.destroy_graph(graph)


def test_another_thread_is_told_whose_memory_it_is(memory: DeviceMemory) -> None:
    caught: list[str] = []
    stream = memory.create_stream()
    array, address = memory.pinned((2,)), memory.allocate(8)
    calls: list[Callable[[], object]] = [
        memory.check_thread, lambda: memory.allocate(8), lambda: memory.free(address), lambda: memory.pinned((2,)),
        lambda: memory.synchronise(stream), lambda: memory.copy_to_device_async(address, array, stream),
        memory.create_stream, memory.close,
    ]  # fmt: skip

    def use() -> None:
        for call in calls:
            try:
                call()
            except WrongThread as e:
                caught.append(str(e))

    thread = threading.Thread(target=use, name="viewer")
    thread.start()
    thread.join(10)
    assert len(caught) == len(calls)
    assert "belongs to thread MainThread, and thread viewer used it" in caught[0]
    assert "in one thread" in caught[0]
    memory.free(address)


def test_close_gives_back_what_is_left_and_ends_the_use(memory: DeviceMemory) -> None:
    memory.allocate(8)
    memory.pinned((2,))
    memory.create_stream()
    memory.close()
    memory.close()
    with pytest.raises(DeviceError, match="given back already"):
        memory.allocate(8)
