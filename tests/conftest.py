"""What all tests share: seeded chance, and no test that this machine cannot run."""

from __future__ import annotations

import numpy as np
import pytest

from sa3dhp_edge.doctor import nvidia_driver
from sa3dhp_edge.extras import findable


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def pytest_runtest_setup(item: pytest.Item) -> None:
    wants_gpu = item.get_closest_marker("gpu") or item.get_closest_marker("tensorrt")
    if wants_gpu and nvidia_driver() is None:
        pytest.skip("no NVIDIA driver answers")
    if item.get_closest_marker("tensorrt") and not findable("tensorrt"):
        pytest.skip("TensorRT is not installed")
