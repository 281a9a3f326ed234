"""The names in a version of TensorRT's Python bindings, as JSON for the tests: no GPU and no TensorRT is needed.

    pip download --no-deps tensorrt-cu12-bindings==10.3.0 && unzip -d bindings *.whl
    python make_names.py bindings 10.3.0.json

The bindings load when the libraries that they ask for exist; here those are empty ones, made with gcc, and nothing in
them is ever called. Python's version must be the wheel's.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

CLASSES = (
    "Builder", "BuilderFlag", "ComputeCapability", "DataType", "DeviceType", "Dims", "ErrorCode",
    "ExecutionContextAllocationStrategy", "IBuilderConfig", "ICudaEngine", "IExecutionContext", "IHostMemory",
    "ILogger", "INetworkDefinition", "IOptimizationProfile", "IProgressMonitor", "ITensor", "ITimingCache", "Logger",
    "MemoryPoolType", "NetworkDefinitionCreationFlag", "OnnxParser", "OnnxParserFlag", "ParserError",
    "ProfilingVerbosity", "Refitter", "Runtime", "TensorIOMode", "TensorLocation", "Weights", "WeightsRole",
)  # fmt: skip
"""Classes that we use or might; enumerations hold their members."""


def names(trt: ModuleType) -> dict[str, list[str]]:
    """Public attributes by class."""
    return {c: [a for a in dir(getattr(trt, c)) if not a.startswith("_")] for c in CLASSES if hasattr(trt, c)}


def load(bindings: Path) -> ModuleType:
    """Import bindings over empty libraries."""
    (library,) = bindings.glob("*/tensorrt.so")
    asked = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True)
    symbols = {line.split()[-1] for line in asked.stdout.splitlines() if " U " in line and "@" not in line}
    source = bindings / "empty.c"
    ours = sorted(s for s in symbols if not re.match("_?Py|dl(open|close|sym)$", s))
    source.write_text("".join(f"void* {s}(void) {{ return 0; }}\n" for s in ours))
    dynamic = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    for needed in re.findall(r"\[(libnv\S+)\]", dynamic):
        out = bindings / needed
        subprocess.run(["gcc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{needed}", "-o", out, source], check=True)
        ctypes.CDLL(str(out), mode=ctypes.RTLD_GLOBAL)
    spec = importlib.util.spec_from_file_location("tensorrt", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(trt: ModuleType, out: Path) -> None:
    """One class a line."""
    lines = [f" {json.dumps(name)}: {json.dumps(found)}" for name, found in names(trt).items()]
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write(load(Path(sys.argv[1]).resolve()), Path(sys.argv[2]))
