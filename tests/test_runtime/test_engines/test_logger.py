"""TensorRT takes the first logger of a process and no other: there is one."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.engines.logger import listening, shared_logger

ERROR, INFO = SimpleNamespace(name="ERROR"), SimpleNamespace(name="INFO")


def test_there_is_one_for_a_module(any_version: Any) -> None:
    module = any_version[0].module
    assert shared_logger(module) is shared_logger(module)
    assert isinstance(shared_logger(module), module.ILogger)


def test_who_listens_hears_it_and_else_the_programs_log(any_version: Any, caplog: pytest.LogCaptureFixture) -> None:
    logger = shared_logger(any_version[0].module)
    heard: list[tuple[str, str]] = []
    with caplog.at_level(logging.DEBUG, "runtime.engines.logger"):
        with listening(lambda *said: heard.append(said)):
            logger.log(ERROR, "inside")
        logger.log(ERROR, "outside")
        logger.log(INFO, "by the way")
    assert heard == [("ERROR", "inside")]
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.ERROR, "TensorRT: outside"),
        (logging.DEBUG, "TensorRT: by the way"),
    ]


def test_a_listener_leaves_when_its_block_fails(any_version: Any) -> None:
    logger = shared_logger(any_version[0].module)
    heard: list[str] = []
    with pytest.raises(ValueError, match="no"), listening(lambda _, text: heard.append(text)):
        raise ValueError("no")
    logger.log(INFO, "later")
    assert heard == []
