"""TensorRT's own words, as people met them, and the cause that each one is taken for."""

from __future__ import annotations

import pytest

from runtime.engines.log_causes import CAUSES, complaints, find_cause

PHRASES = [
    ("version", "Error Code 1: Serialization (Serialization assertion stdVersionRead == serializationVersion failed."
     "Version tag does not match. Note: Current Version: 213, Serialized Engine Version: 205)"),
    ("version", "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion stdVersionRead "
     "== kSERIALIZATION_VERSION failed.Version tag does not match. Note: Current Version: 237, Serialized Engine "
     "Version: 239)"),
    ("version", "Serialization assertion safeVersionRead == safeSerializationVersion failed.Version tag does not "
     "match."),
    ("version", "The engine plan file is not compatible with this version of TensorRT, expecting library version 8.4.1 "
     "got 8.2.1, please rebuild."),
    ("device", "The engine plan file is generated on an incompatible device, expecting compute 7.2 got compute 8.7, "
     "please rebuild."),
    ("not an engine", "Error Code 1: Serialization (Serialization assertion magicTagRead == kMAGIC_TAG failed.Magic "
     "tag does not match)"),
    ("unsupported gpu", "IBuilder::buildSerializedNetwork: Error Code 9: API Usage Error (Target GPU SM 120 is not "
     "supported by this TensorRT release.)"),
    ("unsupported gpu", "Error Code 1: Cuda Runtime (no kernel image is available for execution on the device)"),
    ("no cuda", "CUDA initialization failure with error: 35. Please check your CUDA installation"),
    ("no cuda", "CUDA initialization failure with error: 222"),
    ("cublas", "Could not load library libcublasLt.so.12. Error: libcublasLt.so.12: cannot open shared object file: No "
     "such file or directory"),
    ("cublas", "Unable to open library: libnvinfer_plugin.so.8 due to libcublas.so.11: cannot open shared object file: "
     "No such file or directory"),
    ("builder library", "Error Code 6: Internal Error (Unable to load library: libnvinfer_builder_resource.so.8.4.1)"),
    ("builder library", "createInferBuilder: Error Code 6: API Usage Error (Unable to load library: "
     "libnvinfer_builder_resource.so.10.7.0: cannot enable executable stack as shared object requires: Invalid "
     "argument)"),
    ("builder library", "ImportError: libcudnn.so.8: cannot open shared object file: No such file or directory"),
    ("workspace", "Could not find any implementation for node Conv_0 due to insufficient workspace. See verbose log "
     "for requested sizes."),
    ("memory", "[virtualMemoryBuffer.cpp::resizePhysical::145] Error Code 2: OutOfMemory (no further information)"),
    ("memory", "Requested amount of GPU memory (4294967296 bytes) could not be allocated. There may not be enough free "
     "memory for allocation to succeed."),
    ("memory", "[defaultAllocator.cpp::allocate::20] Error Code 1: Cuda Runtime (out of memory)"),
    ("memory", "NvMapMemAllocInternalTagged: 1075072515 error 12"),
    ("memory", "std::bad_alloc"),
    ("bias type", "In node 4 (parseGraph): INVALID_NODE: Invalid Node - bias_DequantizeLinear"),
    ("types", "Error Code 4: API Usage Error (node_of_y: ElementWiseOperation SUM must have same input types. But they "
     "are of types Half and Float.)"),
    ("file", "WeightsContext.cpp:203: Failed to open file: /models/hall/weights/g.safetensors"),
    ("file", "In node -1 (parseFromFile): INVALID_VALUE: Input file cannot be found, or is not a regular file: g.onnx"),
    ("no scales", "Calibration failure occurred with no scaling factors detected. This could be due to no int8 "
     "calibrator"),
    ("plugin library", "Could not load plugin library: ./libmyplugins.so"),
    ("operator", "No importer registered for op: GridSample. Attempting to import as plugin."),
    ("operator", "getPluginCreator could not find plugin: ScatterND version: 1"),
    ("operator", 'creator && "Plugin not found, are the plugin name, version, and namespace correct?"'),
    ("operator", "UNSUPPORTED_NODE at node 0 (Det): false"),
    ("profile", "Network has dynamic or shape inputs, but no optimization profile has been defined."),
    ("dla", "DLA Node compilation Failed."),
    ("myelin", "Error Code 1: Myelin (No results returned from cublas heuristic search)"),
    ("no implementation", "Error Code 10: Internal Error (Could not find any implementation for node "
     "{ForeignNode[177...Reshape_81 + (Unnamed Layer* 146) [Shuffle]]}.)"),
]  # fmt: skip
RTX_INT32 = """ERROR ITensor::getDimensions: Error Code 4: API Usage Error (node_of_bf: input has type Int32 but must \
have type FP8, FP4, Int4, Int8, or UInt8. In checkType at /_src/optimizer/common/nodeBase.cpp:456)
ERROR Error Code 1: Cuda Runtime (cudaError 35: CUDA driver version is insufficient for CUDA runtime version)
ERROR ModelImporter.cpp:140: While parsing node number 0 [DequantizeLinear -> "bf"]:"""


@pytest.mark.parametrize(("key", "phrase"), PHRASES, ids=[f"{k}-{i}" for i, (k, _) in enumerate(PHRASES)])
def test_a_phrase_has_its_cause(key: str, phrase: str) -> None:
    cause = find_cause(phrase)
    assert cause is not None
    assert cause.key == key


def test_every_cause_has_a_phrase_and_a_fix() -> None:
    assert {c.key for c in CAUSES} == {key for key, _ in PHRASES}
    assert len({c.key for c in CAUSES}) == len(CAUSES)
    assert all(c.fix and c.says for c in CAUSES)


def test_an_int32_bias_is_seen_through_what_follows_from_it() -> None:
    cause = find_cause(complaints(RTX_INT32))
    assert cause is not None
    assert cause.key == "bias type"
    assert "QuantizeBias=False" in cause.fix


@pytest.mark.parametrize("log", ["", "INFO Engine generation completed in 2 seconds.", "ERROR something new"])
def test_what_is_not_known_has_no_cause(log: str) -> None:
    assert find_cause(log) is None


def test_warnings_are_no_complaints_where_there_are_errors() -> None:
    log = "WARNING out of memory, got over\nERROR In function\nits second line\nINFO on\nINTERNAL_ERROR deep"
    assert complaints(log) == "ERROR In function\nits second line\nINTERNAL_ERROR deep"
    assert complaints("WARNING alone\nand more") == "WARNING alone\nand more"
