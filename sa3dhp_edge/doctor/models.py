"""The models and engines that are there, and whether they can be used."""

from __future__ import annotations

from collections.abc import Iterator

from sa3dhp_edge.doctor.ask import Answers, Question
from sa3dhp_edge.doctor.finding import Finding
from sa3dhp_edge.shipped import FOLDER

READ_SHIPPED = """import sa3dhp_edge.contract as contract
from sa3dhp_edge.shipped import FOLDER
try:
    model = contract.read_contract(FOLDER)
    print("ok", f"{model.name}, {model.crop_px} px, every file as it was made")
except contract.ModelError as e:
    print("bad", e.message)"""

LIST_ENGINES = """from runtime.engines.inventory import list_engines
from runtime.engines.store import default_engines
for engine in list_engines(default_engines()):
    print(engine.state, engine.name, engine.why.replace("\\n", " "), sep="\\t")"""


def questions() -> dict[str, Question]:
    """What is read whole, hashes and all, which takes a while."""
    asked = {"engines": Question(LIST_ENGINES)}
    return asked | ({"shipped": Question(READ_SHIPPED)} if FOLDER.is_dir() else {})


def shipped_model(answers: Answers) -> Iterator[Finding]:
    """The model that commands take when none is named."""
    if "shipped" not in answers:
        yield Finding("shipped model", "note", f"not there: {FOLDER}", "name one by --model, or install again")
        return
    answer = answers["shipped"]
    verdict, _, words = answer.said.partition(" ")
    if verdict == "ok":
        yield Finding("shipped model", "ok", words)
    else:
        detail = words or f"cannot be read: {answer.failed}"
        yield Finding("shipped model", "problem", detail, "install sa3dhp-edge again")


def engines(answers: Answers) -> Iterator[Finding]:
    """TensorRT engines that were built before."""
    answer = answers["engines"]
    if answer.failed:
        yield Finding("engines", "note", f"cannot be listed: {answer.failed}", "sa3dhp-edge engine list")
    for line in answer.said.splitlines():
        state, name, why = (*line.split("\t"), "", "")[:3]
        if state == "stale":
            yield Finding("engine", "note", f"{name} is stale: {why}", "sa3dhp-edge engine build MODEL; engine prune")
        else:
            yield Finding("engine", "ok", f"{name}, {state}{f': {why}' if why else ''}")
