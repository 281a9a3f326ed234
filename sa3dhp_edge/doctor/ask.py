"""Native packages are asked in processes of their own, all at once.

One that crashes or hangs when it is imported is a finding, not our end; and the slowest alone says how long it takes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

LONGEST_IMPORT_S = 20.0

_NUMPY_1 = ("_ARRAY_API not found", "multiarray failed to import", "compiled using NumPy 1")


@dataclass(frozen=True)
class Question:
    """A line of Python that prints what is asked, and the time it may take."""

    code: str
    limit_s: float = LONGEST_IMPORT_S


@dataclass(frozen=True)
class Answer:
    """What was printed; or why nothing was, in one line."""

    said: str
    failed: str = ""


Answers = Mapping[str, Answer]
"""By the question's name; what made no sense to ask is not there."""


def ask_all(questions: Mapping[str, Question]) -> dict[str, Answer]:
    """The answers to all questions, each within its own limit."""
    if not questions:
        return {}
    with ThreadPoolExecutor(len(questions)) as pool:
        return dict(zip(questions, pool.map(ask, questions.values()), strict=True))


def ask(question: Question) -> Answer:
    """The answer of one process."""
    words = [sys.executable, "-c", question.code]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=question.limit_s)
    except subprocess.TimeoutExpired:
        return Answer("", f"no answer within {question.limit_s:g} s")
    if done.returncode == 0:
        return Answer(done.stdout.strip())
    if any(sign in done.stderr for sign in _NUMPY_1):
        return Answer("", "it was built for NumPy 1, and NumPy 2 is installed")
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return Answer("", last if done.returncode > 0 else f"stopped by signal {-done.returncode} {last}".rstrip())
