"""A TensorRT engine answers as the network does, at any batch, from memory that is allocated once."""

from __future__ import annotations

import gc
import logging
import threading

import numpy as np
import pytest
from onnx import TensorProto, helper

from runtime.backends.onnx_runtime import OnnxBackend
from runtime.backends.tensorrt import TensorRtBackend
from runtime.device_memory.errors import DeviceError, WrongThread
from runtime.device_memory.host import HostMemory
from sa3dhp_edge.contract import Tensor
from sa3dhp_edge.errors import ContractMismatch, EngineError

IMAGE = (Tensor("image", ("batch", 2, 3)),)
OUT = (Tensor("sum", ("batch", 1)), Tensor("pose", ("batch", 2, 3)))


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2, 3)).astype(np.float32)


@pytest.fixture
def backend(make_engine, memory):
    made = TensorRtBackend(make_engine(), memory, IMAGE, OUT)
    yield made
    made.close()


@pytest.mark.parametrize("count", [1, 3, 4, 5, 11])
def test_answers_are_the_networks_at_any_batch(backend, expected, count: int) -> None:
    for seed in range(3):  # the first run is launched piece by piece, later ones as a graph
        given = images(count, seed)
        answers = backend.infer({"image": given})
        assert set(answers) == {"sum", "pose"}
        for name, wanted in expected(given).items():
            np.testing.assert_allclose(answers[name], wanted, rtol=1e-6)


def test_an_answer_stays_when_the_next_one_comes(backend, expected) -> None:
    first = backend.infer({"image": images(2)})
    backend.infer({"image": images(2, seed=1)})
    np.testing.assert_allclose(first["pose"], expected(images(2))["pose"])


def test_the_stand_in_is_asked_nothing_that_the_real_one_lacks(make_engine) -> None:
    real = pytest.importorskip("tensorrt_rtx")
    engine = make_engine()
    for fake, kind in ((engine, real.ICudaEngine), (engine.create_execution_context(), real.IExecutionContext)):
        calls = [name for name in vars(type(fake)) if not name.startswith("_")]
        assert len(calls) > 2
        for name in calls:
            assert hasattr(kind, name), name
    assert {"INPUT", "OUTPUT"} <= set(real.TensorIOMode.__members__)
    assert {"FLOAT", "HALF"} <= set(real.DataType.__members__)


def test_nobody_is_no_error(backend) -> None:
    answers = backend.infer({"image": images(0)})
    assert answers["pose"].shape == (0, 2, 3)


def test_inputs_may_be_views_of_other_arrays(backend, expected) -> None:
    given = images(6)[::2]
    np.testing.assert_allclose(backend.infer({"image": given})["sum"], expected(given)["sum"])


def test_tensors_are_bound_by_name_whatever_their_order(make_engine, memory, expected) -> None:
    given = images(2)
    for names in (["sum", "pose", "image"], ["image", "pose", "sum"]):
        engine = make_engine()
        engine.tensors = {name: engine.tensors[name] for name in names}
        backend = TensorRtBackend(engine, memory)
        answers = backend.infer({"image": given})
        for name, wanted in expected(given).items():
            np.testing.assert_allclose(answers[name], wanted)
        backend.close()


def test_what_the_contract_does_not_name_is_not_read(make_engine, memory) -> None:
    backend = TensorRtBackend(make_engine(), memory, IMAGE, OUT[:1])
    assert list(backend.infer({"image": images(2)})) == ["sum"]
    backend.close()


def test_without_a_contract_the_engine_describes_itself(make_engine, memory) -> None:
    backend = TensorRtBackend(make_engine(), memory)
    assert backend.inputs == IMAGE
    assert set(backend.outputs) == set(OUT)
    assert backend.max_batch == 4
    backend.close()


def test_nothing_is_allocated_after_warm_up(backend, memory) -> None:
    backend.warm_up()
    before = dict(memory.ledger.made)
    for _ in range(3):
        backend.infer({"image": images(1)})
        backend.infer({"image": images(8)})
    assert memory.ledger.made == before
    assert before["memory"] == before["pinned array"] == 3
    assert before["graph"] == 2


def test_a_graph_is_launched_once_it_is_recorded(make_engine, memory) -> None:
    engine = make_engine()
    backend = TensorRtBackend(engine, memory, IMAGE, OUT)
    for _ in range(5):
        backend.infer({"image": images(2)})
    assert engine.executions == 1
    assert memory.ledger.made["graph"] == 1
    backend.close()


def test_graphs_of_two_sizes_do_not_disturb_each_other(backend, expected) -> None:
    for seed in range(4):
        for count in (1, 3):
            given = images(count, seed)
            np.testing.assert_allclose(backend.infer({"image": given})["sum"], expected(given)["sum"], rtol=1e-6)


def test_graphs_are_recorded_anew_after_a_refit(make_engine, memory, expected) -> None:
    engine = make_engine()
    backend = TensorRtBackend(engine, memory, IMAGE, OUT)
    for _ in range(2):
        backend.infer({"image": images(1)})
    with backend.paused() as same:
        assert same is engine
        assert memory.ledger.holds("graph") == 0
        engine.scale = 7.0
        with pytest.raises(EngineError, match="gets new weights"):
            backend.infer({"image": images(1)})
    for _ in range(3):
        answers = backend.infer({"image": images(1)})
        np.testing.assert_allclose(answers["sum"], expected(images(1), 7.0)["sum"])
    assert memory.ledger.made["graph"] == 2
    assert engine.executions == 2
    backend.close()


@pytest.mark.parametrize("trouble", ["uncapturable", "one_context"])
def test_without_graphs_the_answers_are_the_same(make_engine, memory, expected, caplog, trouble: str) -> None:
    engine = make_engine(**{trouble: True})
    backend = TensorRtBackend(engine, memory, IMAGE, OUT)
    with caplog.at_level(logging.WARNING):
        for seed in range(3):
            for count in (2, 6):
                given = images(count, seed)
                np.testing.assert_allclose(backend.infer({"image": given})["sum"], expected(given)["sum"], rtol=1e-6)
    assert "CUDA graph" in caplog.text
    assert memory.ledger.holds("graph") == 0
    assert engine.executions == 9
    backend.close()


def test_memory_that_records_nothing_is_asked_for_no_graph(make_engine, expected, caplog) -> None:
    memory = HostMemory(can_capture=False)
    engine = make_engine(memory)
    backend = TensorRtBackend(engine, memory, IMAGE, OUT)
    with caplog.at_level(logging.WARNING):
        for seed in range(3):
            given = images(2, seed)
            np.testing.assert_allclose(backend.infer({"image": given})["sum"], expected(given)["sum"])
    assert not caplog.records
    assert engine.contexts == 1
    backend.close()
    memory.close()


def test_only_a_few_sizes_get_a_context(make_engine, memory, expected) -> None:
    engine = make_engine()
    backend = TensorRtBackend(engine, memory, IMAGE, OUT)
    for count in (1, 2, 3, 4, 1, 2, 3, 4):
        given = images(count)
        np.testing.assert_allclose(backend.infer({"image": given})["sum"], expected(given)["sum"], rtol=1e-6)
    assert engine.contexts == 5
    backend.close()


def test_a_batch_below_the_engines_smallest_is_filled_up(make_engine, memory, expected) -> None:
    backend = TensorRtBackend(make_engine(least=3), memory, IMAGE, OUT)
    given = images(5)
    answers = backend.infer({"image": given})
    np.testing.assert_allclose(answers["pose"], expected(given)["pose"])
    backend.close()


def test_an_engine_of_one_fixed_batch_works(make_engine, memory, expected) -> None:
    engine = make_engine()
    engine.tensors = {name: (mode, (2, *shape[1:]), kind) for name, (mode, shape, kind) in engine.tensors.items()}
    backend = TensorRtBackend(engine, memory, IMAGE, OUT)
    assert backend.max_batch == 2
    given = images(5)
    np.testing.assert_allclose(backend.infer({"image": given})["sum"], expected(given)["sum"], rtol=1e-6)
    backend.close()


def test_a_smaller_batch_may_be_asked_for_and_a_larger_one_not(make_engine, memory, expected) -> None:
    backend = TensorRtBackend(make_engine(), memory, IMAGE, OUT, max_batch=2)
    given = images(5)
    np.testing.assert_allclose(backend.infer({"image": given})["sum"], expected(given)["sum"], rtol=1e-6)
    backend.close()
    with pytest.raises(EngineError, match="batches of 1 to 4, 8 is asked for"):
        TensorRtBackend(make_engine(), memory, IMAGE, OUT, max_batch=8)


def test_inputs_that_lie_on_the_device_already_are_not_copied(backend, memory, expected) -> None:
    for seed in range(3):
        given = images(3, seed)
        memory.copy_to_device_async(backend.input_address("image"), given, backend.stream)
        np.testing.assert_allclose(backend.infer_filled(3)["pose"], expected(given)["pose"])
    other = images(3, 9)
    np.testing.assert_allclose(backend.infer({"image": other})["pose"], expected(other)["pose"])
    with pytest.raises(EngineError, match="1 to 4 filled samples"):
        backend.infer_filled(5)


@pytest.mark.parametrize(
    "bad", [{}, {"image": images(2)[..., :2]}, {"image": images(2).astype(np.float64)}, {"picture": images(1)}]
)
def test_inputs_of_another_name_shape_or_type_are_refused(backend, bad) -> None:
    with pytest.raises(ContractMismatch, match=r"input image must be \('batch', 2, 3\) float32, got"):
        backend.infer(bad)


def test_both_backends_refuse_an_input_in_the_same_words(backend, tmp_path) -> None:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 2, 3])
    pose = helper.make_tensor_value_info("pose", TensorProto.FLOAT, ["batch", 2, 3])
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["pose"])], "small", [image], [pose])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "small.onnx").write_bytes(model.SerializeToString())
    other = OnnxBackend(tmp_path / "small.onnx")
    for bad in ({}, {"image": images(2)[:, :1]}, {"image": images(2).astype(np.float64)}):
        said = []
        for either in (backend, other):
            with pytest.raises(ContractMismatch, match="input image") as error:
                either.infer(bad)
            said.append(str(error.value))
        assert said[0] == said[1]
    other.close()


def test_an_engine_that_breaks_the_contract_is_refused_in_the_words_of_the_other_backend(make_engine, memory) -> None:
    with pytest.raises(ContractMismatch, match=r"g\.plan has no output z; it has pose, sum"):
        TensorRtBackend(make_engine(), memory, IMAGE, (Tensor("z", ("batch", 32)),), name="g.plan")
    with pytest.raises(ContractMismatch, match=r"output sum is \('batch', 1\) float32, the contract says"):
        TensorRtBackend(make_engine(), memory, IMAGE, (Tensor("sum", ("batch", 2)),))
    engine = make_engine()
    kind = type(engine.get_tensor_dtype("sum"))
    engine.tensors["sum"] = (*engine.tensors["sum"][:2], kind.HALF)
    with pytest.raises(ContractMismatch, match="float16, the contract says"):
        TensorRtBackend(engine, memory, IMAGE, OUT)


def test_a_free_axis_that_is_not_the_batch_is_refused(make_engine, memory) -> None:
    engine = make_engine()
    engine.tensors["image"] = (engine.tensors["image"][0], (-1, 2, -1), engine.tensors["image"][2])
    with pytest.raises(EngineError, match="its first axis is to be the batch"):
        TensorRtBackend(engine, memory)


def test_no_engine_and_no_context_are_errors_of_ours(make_engine, memory) -> None:
    with pytest.raises(EngineError, match=r"g\.plan could not be loaded") as error:
        TensorRtBackend(None, memory, name="g.plan")
    assert error.value.hint
    with pytest.raises(EngineError, match="no execution context"):
        TensorRtBackend(make_engine(stubborn=True), memory)  # the fixture sees that all was given back


def test_a_run_that_fails_says_so(make_engine, memory) -> None:
    backend = TensorRtBackend(make_engine(broken=True), memory)
    with pytest.raises(EngineError, match="could not be run at batch 2"):
        backend.infer({"image": images(2)})
    backend.close()


def test_close_gives_everything_back_once(make_engine) -> None:
    memory = HostMemory()
    backend = TensorRtBackend(make_engine(memory), memory)
    backend.warm_up()
    made = dict(memory.ledger.made)
    assert made == {"stream": 1, "pinned array": 3, "memory": 3, "graph": 2}
    backend.close()
    assert not any(memory.ledger.holds(kind) for kind in made)
    backend.close()
    with pytest.raises(EngineError, match="was closed"):
        backend.infer({"image": images(1)})
    memory.close()


def test_a_backend_that_is_dropped_open_is_heard_of(make_engine) -> None:
    memory = HostMemory()
    backend = TensorRtBackend(make_engine(memory), memory, name="g.plan")
    held = [backend]
    del backend
    with pytest.warns(ResourceWarning, match=r"g\.plan was not closed"):
        _drop(held)
    memory.close()


def test_another_thread_is_told_so(backend) -> None:
    caught: list[Exception] = []

    def use() -> None:
        for call in (lambda: backend.infer({"image": images(1)}), backend.close):
            try:
                call()
            except DeviceError as e:
                caught.append(e)

    thread = threading.Thread(target=use, name="camera")
    thread.start()
    thread.join(10)
    assert [type(e) for e in caught] == [WrongThread, WrongThread]
    assert "belongs to thread MainThread, and thread camera used it" in str(caught[0])
    backend.infer({"image": images(1)})


def _drop(held: list) -> None:
    held.clear()
    gc.collect()
