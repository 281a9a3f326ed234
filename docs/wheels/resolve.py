"""Which wheels would pip install on a Jetson? Downloads them for aarch64 on any machine and writes a table.

Run it with the Python that the JetPack has, since pip takes conditions on Python's version from the one it runs in;
those on the processor too, so that what a package wants only on x86-64 may be listed as well.

    python3.10 docs/wheels/resolve.py docs/constraints/jetpack-6.2.txt > docs/wheels/jetpack-6.2.md
    python3.12 docs/wheels/resolve.py docs/constraints/jetpack-7.txt > docs/wheels/jetpack-7.md
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

GROUPS = {
    "light installation": ["numpy", "onnxruntime", "opencv-python-headless", "typer", "tomli; python_version < '3.11'"],
    "extra tensorrt": ["cuda-bindings"],
    "clocks, heat and power": ["jetson-stats"],
    "figures": ["matplotlib"],
    "extra export, without PyTorch": ["safetensors", "onnx", "onnxscript", "numba"],
    "extra adapt, without PyTorch": ["tensorboard"],
}
GLIBC = {"3.10": 35, "3.12": 39}
"""Python -> minor version of the C library, of Ubuntu 22.04 and 24.04."""


def main() -> None:
    """Print the tables for the constraints given."""
    constraints = sys.argv[1]
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    words = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(GLIBC[python], 16, -1)]
    words += ["--platform=manylinux2014_aarch64", "--implementation=cp", f"--python-version={python}"]
    out = sys.stdout
    print(f"# Wheels for aarch64, Python {python}\n", file=out)
    print(f"Made by `python{python} docs/wheels/resolve.py {constraints}`; resolved, not run on a board.", file=out)
    for name, packages in GROUPS.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", *words]
            subprocess.run([*command, "-c", constraints, "-d", folder, *packages], check=True, stdout=sys.stderr)
            print(f"\n## {name[0].upper()}{name[1:]}\n", file=out)
            print("| package | version | wheel | MB | licence |\n|---|---|---|--:|---|", file=out)
            for wheel in sorted(Path(folder).iterdir(), key=lambda path: path.name.lower()):
                print(row(wheel), file=out)


def row(wheel: Path) -> str:
    """A wheel's line of the table."""
    about = metadata(wheel)
    tags = ".".join(wheel.stem.split("-")[-3:-1] + wheel.stem.split("-")[-1].split(".")[:1])
    size = f"{wheel.stat().st_size / 1e6:.1f}"
    return f"| {about['Name']} | {about['Version']} | {tags.replace('.', '-')} | {size} | {licence(about)} |"


def metadata(wheel: Path) -> Message:
    """What the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1]
        return Parser().parsestr(archive.read(name).decode())


def licence(about: Message) -> str:
    """The licence it states: an expression, else a short text, else a classifier."""
    stated = about["License-Expression"] or about["License"] or ""
    if stated and len(stated) < 60 and "\n" not in stated.strip():
        return stated.strip()
    classes = [c.split(" :: ")[-1] for c in about.get_all("Classifier", []) if c.startswith("License")]
    return ", ".join(classes) or next((line.strip() for line in stated.splitlines() if line.strip()), "not stated")


if __name__ == "__main__":
    main()
