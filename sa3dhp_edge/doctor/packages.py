"""Are our own packages there, alone under their names, and do the native ones work?"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from runtime.jetson import l4t_release
from sa3dhp_edge.doctor.ask import Answer, Answers, Question
from sa3dhp_edge.doctor.finding import Finding
from sa3dhp_edge.extras import CORE, EXTRAS, findable

OPENCV_BUILDS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
OUR_GENERAL_NAMES = ("export", "runtime", "calib")
OLDER_NUMPY = "pip install 'numpy<2', which JetPack's OpenCV and older PyTorch want"


def questions() -> dict[str, Question]:
    """What the native packages of every installation are asked."""
    return {
        "opencv": Question("import cv2; print(cv2.__file__); print(cv2.getBuildInformation())"),
        "onnxruntime": Question("import onnxruntime; print(*onnxruntime.get_available_providers())"),
    }


def python(_: Answers) -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")


def packages(_: Answers) -> Iterator[Finding]:
    owners = metadata.packages_distributions()
    if missing := CORE.missing():
        yield Finding("packages", "problem", f"missing: {', '.join(missing)}", "pip install sa3dhp-edge")
    else:
        yield Finding("packages", "ok", _versions(CORE.imports, owners))
    for extra in EXTRAS.values():
        name = f"extra {extra.name}"
        if missing := extra.missing():
            yield Finding(name, "note", f"no {', '.join(missing)}: without {extra.use}", extra.command)
        else:
            yield Finding(name, "ok", f"{_versions(extra.imports, owners)}: {extra.use}")


def own_names(_: Answers) -> Iterator[Finding]:
    home = Path(__file__).resolve().parents[2]
    for name in OUR_GENERAL_NAMES:
        spec = find_spec(name) if findable(name) else None
        if spec is None:
            yield Finding("import names", "problem", f"{name} is not importable", "install sa3dhp-edge again")
        elif spec.origin is None or Path(spec.origin).resolve().parent.parent != home:
            where = spec.origin or "a folder without __init__.py"
            yield Finding(
                "import names", "problem", f"{name} is a foreign package: {where}", "move it, or start elsewhere"
            )


def opencv(answers: Answers) -> Iterator[Finding]:
    builds = [name for name in OPENCV_BUILDS if installed(name)]
    if len(builds) > 1:
        fix = f"pip uninstall -y {' '.join(builds)}, then pip install 'opencv-python-headless<5'"
        yield Finding("opencv", "problem", f"{' and '.join(builds)} overwrite each other", fix)
    yield _opencv_build(answers["opencv"])


def _opencv_build(answer: Answer) -> Finding:
    if answer.failed:
        fix = OLDER_NUMPY if "NumPy 1" in answer.failed else "pip install 'opencv-python-headless<5'"
        return Finding("opencv", "problem", f"cv2 does not import: {answer.failed}", fix)
    where, _, build = answer.said.partition("\n")
    has = {name: bool(re.search(rf"{name}:\s+YES", build)) for name in ("FFMPEG", "GStreamer")}
    detail = f"{where}, " + ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in has.items())
    if not has["FFMPEG"] and not has["GStreamer"]:
        return Finding("opencv", "note", f"{detail}: few videos open", "pip install 'opencv-python-headless<5'")
    if not has["GStreamer"] and l4t_release():
        fix = "pip uninstall -y opencv-python-headless, in an environment that sees JetPack's (--system-site-packages)"
        return Finding("opencv", "note", f"{detail}: no hardware decoding and no CSI camera", fix)
    return Finding("opencv", "ok", detail)


def onnxruntime(answers: Answers) -> Iterator[Finding]:
    answer = answers["onnxruntime"]
    if answer.failed:
        fix = "pip install --upgrade onnxruntime numpy"
        yield Finding("onnxruntime", "problem", f"does not import: {answer.failed}", fix)
    else:
        yield Finding("onnxruntime", "ok", answer.said.replace("ExecutionProvider", ""))


def installed(distribution: str) -> bool:
    """Whether pip knows it."""
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _versions(imports: tuple[str, ...], owners: Mapping[str, list[str]]) -> str:
    return ", ".join(_with_version(name, owners.get(name, [name])[0]) for name in imports)


def _with_version(name: str, distribution: str) -> str:
    try:
        return f"{name} {metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return name
