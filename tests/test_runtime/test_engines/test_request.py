"""What can be asked of an engine, and that an order crosses to the builder's process unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime.engines.request import BuildOrder, EngineRequest
from sa3dhp_edge.errors import ConfigError


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"people": (2, 3, 9), "workspace_mb": 17, "level": 5, "refit": True, "limit_s": 1.5},
        {"people": (1, 1, 1), "dla": 0},
        {"target": "sm120"},
    ],
)
def test_an_order_is_the_same_on_the_other_side(order: Callable[..., BuildOrder], asked: dict[str, Any]) -> None:
    sent = order(half=True, outputs=("z", "pose_mm"), **asked)
    assert BuildOrder.from_json(sent.to_json()) == sent


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"people": (0, 1, 4)}, "do not ascend"),
        ({"people": (1, 5, 4)}, "do not ascend"),
        ({"people": (2, 1, 4)}, "do not ascend"),
        ({"workspace_mb": 0}, "workspace"),
        ({"level": 6}, "none of 0 to 5"),
        ({"limit_s": 0.0}, "limit"),
        ({"limit_s": float("nan")}, "limit"),
        ({"limit_s": float("inf")}, "limit"),
        ({"limit_s": 1e9}, "limit of 1e\\+09 s is not within 0 and a week"),
        ({"dla": 0}, "a DLA computes one number of people, not 1 to 4"),
        ({"target": "current"}, "no compute capability"),
        ({"target": "CURRENT"}, "no compute capability"),
        ({"target": "8.6"}, "no compute capability"),
        ({"target": "sm86", "refit": True}, "--refit is not possible"),
        ({"target": "sm86", "dla": 0, "people": (1, 1, 1)}, "--dla is not possible"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_on(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        EngineRequest(**asked)
    assert caught.value.hint
