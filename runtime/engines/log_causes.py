"""What does TensorRT's log say went wrong, and what mends it?

TensorRT returns a null object and logs why. The phrases are those of its builder, parser and runtime from 8.4 to 11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AGAIN = "build it again on this machine: `sa3dhp-edge engine build MODEL --rebuild`"
LESS_MEMORY = "close the desktop (`sudo systemctl isolate multi-user.target`), add swap, or lower --workspace-mb"


@dataclass(frozen=True)
class Cause:
    """A known cause.

    Attributes:
        key: its short name.
        pattern: what the log says, as a regular expression; letters' case is not looked at.
        says: the cause in a sentence's half.
        fix: what to try next.
    """

    key: str
    pattern: str
    says: str
    fix: str


CAUSES: tuple[Cause, ...] = (
    Cause(
        "version",
        r"version tag does not match|serialization assertion \w*version\w* == |not compatible with this version of "
        r"TensorRT|expecting library version \S+ got",
        "the engine was built by another version of TensorRT",
        AGAIN,
    ),
    Cause(
        "device",
        r"expecting compute \S+ got compute|generated on an incompatible device|compiled for a different device|"
        r"compute capability .* (does not match|not supported by)",
        "the engine was built for a GPU of another compute capability",
        AGAIN,
    ),
    Cause(
        "not an engine",
        r"magic ?tag|mismatch between allocated memory size and expected size of serialized engine|"
        r"engine header|not a valid engine",
        "the file is damaged or is no engine of this kind of TensorRT",
        AGAIN,
    ),
    Cause(
        "unsupported gpu",
        r"target gpu sm \S+ is not supported|unsupported sm\b|no kernel image is available",
        "this version of TensorRT does not know this GPU",
        "install the TensorRT that came with this GPU's JetPack or driver; `sa3dhp-edge doctor` shows which is used",
    ),
    Cause(
        "cublas",
        r"libcublas\w*(\.so\S*)?: cannot open|(load|open) library:? \S*cublas|cublas\w*(lt)?\b.*(not found|missing)|"
        r"linked against cublas/?cublas ?lt \S+ but loaded",
        "cuBLAS, or cuBLASLt, is missing or of another version than TensorRT asks for",
        "install libcublas of the CUDA that TensorRT was built for (JetPack: `sudo apt install nvidia-cuda`), and look "
        "at LD_LIBRARY_PATH",
    ),
    Cause(
        "builder library",
        r"unable to load library:? \S*(builder_resource|nvinfer)|(libcudnn|libnvinfer|libnvrtc|libcudart)\S*: cannot "
        r"(open|enable)",
        "a library of TensorRT or CUDA cannot be loaded",
        "install TensorRT again as a whole, and keep one version of it on LD_LIBRARY_PATH; see `sa3dhp-edge doctor`",
    ),
    Cause(
        "workspace",
        r"due to insufficient workspace|insufficient workspace|try increasing the workspace size",
        "no way to compute a layer fits into the workspace",
        "raise --workspace-mb",
    ),
    Cause(
        "memory",
        r"OutOfMemory|out of memory|std::bad_alloc|MemoryError|memory \(\d+ bytes\) could not be allocated|"
        r"NvMapMem\w* ?(error|:.*error) 12|cannot allocate memory|allocation failure",
        "memory ran out while the engine was built",
        LESS_MEMORY,
    ),
    Cause(
        "bias type",
        r"has type int32 but must have type .*int8|DequantizeLinear.*int32|INVALID_NODE.*DequantizeLinear|"
        r"DequantizeLinear.*INVALID_NODE",
        "a bias was quantised to int32, which TensorRT does not read",
        "quantise again without biases, both sides symmetric (ONNX Runtime: QuantizeBias=False, "
        "ActivationSymmetric=True, WeightSymmetric=True)",
    ),
    Cause(
        "types",
        r"must have (the )?same (input )?types?|they are of types \w+ and \w+|UNSUPPORTED_NODE_DATATYPE|"
        r"strongly typed network",
        "an operator's inputs are of two types, and a strongly typed network allows one",
        "export the model again; casts between half and single precision belong in the ONNX file",
    ),
    Cause(
        "file",
        r"failed to (open|parse|read) (the )?(onnx )?(model |external )?(file|data|weights)|failed to open file|"
        r"failed to parse (onnx )?model|failed to import initializer|input file cannot be found|"
        r"MODEL_DESERIALIZE_FAILED",
        "the ONNX file or its external data cannot be read",
        "export the model again from its run; the folder must be whole",
    ),
    Cause(
        "no scales",
        r"no scaling factors detected|calibration failure occurred",
        "the network is to run in INT8 and holds no scales",
        "export the model again with Q/DQ nodes; scales belong in the ONNX file",
    ),
    Cause(
        "plugin library",
        r"unable to open (library|plugin)|could not (open|load) plugin library|plugin library .* (not found|missing)",
        "a plugin's library is missing",
        "install TensorRT's plugin library (libnvinfer_plugin) of the same version",
    ),
    Cause(
        "operator",
        r"no importer registered for op|UNSUPPORTED_NODE|plugin not found|could not find plugin|unsupported operator|"
        r"getPluginCreator could not find",
        "the network holds an operator that this version of TensorRT does not know",
        "update TensorRT (JetPack), or export the model again with this program's `export`",
    ),
    Cause(
        "profile",
        r"no optimization profile|profile .* (is invalid|not (valid|set))|min/opt/max|kMIN.*kOPT",
        "the range of people and the network's batch do not fit together",
        "export the model again with a dynamic batch, or set --people as MIN,OPT,MAX",
    ),
    Cause(
        "dla",
        r"DLA.*(not supported|failed|exceed)|(failed|cannot).*DLA|NvMediaDla|loadable",
        "the deep learning accelerator cannot take the network",
        "build without --dla",
    ),
    Cause(
        "myelin",
        r"myelin",
        "TensorRT's own compiler (Myelin) failed on a part of the network",
        "try another --level (0 to 5), else update TensorRT (JetPack)",
    ),
    Cause(
        "no implementation",
        r"could not find any implementation for node",
        "TensorRT found no way to compute a layer: too little memory while it looked, or a fault of this version",
        "raise --workspace-mb if memory is free, try another --level (0 to 5), else update TensorRT (JetPack)",
    ),
    Cause(
        "no cuda",
        r"cuda initialization failure with error|forward compatibility was attempted|driver version is insufficient|"
        r"CUDA_ERROR_NO_DEVICE|no CUDA-capable device",
        "CUDA does not start: driver and CUDA libraries do not fit together, or no GPU is visible",
        "see `sa3dhp-edge doctor`; in a container, start it with the NVIDIA runtime",
    ),
)
"""In the order in which they are looked for: the cause before what follows from it."""


def find_cause(log: str) -> Cause | None:
    """The first known cause that a log speaks of; None where it speaks of none."""
    return next((cause for cause in CAUSES if re.search(cause.pattern, log, re.IGNORECASE)), None)


def complaints(log: str) -> str:
    """The messages of a log that are errors, since warnings speak of what was got over; the whole log if none is.

    A message may have several lines; the first begins with its severity.
    """
    kept, keeping = [], False
    for line in log.splitlines():
        if begins := re.match(r"(VERBOSE|INFO|WARNING|ERROR|INTERNAL_ERROR)\b", line):
            keeping = begins[1].endswith("ERROR")
        if keeping:
            kept.append(line)
    return "\n".join(kept) or log
