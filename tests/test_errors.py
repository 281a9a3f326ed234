"""Every error of ours belongs to one family and says what to do next."""

from __future__ import annotations

import pickle

import pytest

from sa3dhp_edge import errors
from sa3dhp_edge.errors import CameraLost, ContractMismatch, InputError, ModelError, Sa3dhpError

FAMILY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


def test_the_family_is_one_and_every_member_says_when_it_is_raised() -> None:
    assert len(FAMILY) > 8
    for kind in FAMILY:
        assert issubclass(kind, Sa3dhpError)
        assert kind.__doc__


def test_special_errors_are_caught_as_the_general_ones() -> None:
    assert issubclass(CameraLost, InputError)
    assert issubclass(ContractMismatch, ModelError)


@pytest.mark.parametrize("kind", FAMILY)
def test_a_hint_stands_on_a_line_of_its_own(kind: type[Sa3dhpError]) -> None:
    assert str(kind("x.mp4 cannot be read", "convert it")) == "x.mp4 cannot be read\nhint: convert it"
    assert str(kind("x.mp4 cannot be read")) == "x.mp4 cannot be read"


def test_an_error_crosses_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(InputError("no camera 3", "try 0")))
    assert (copy.message, copy.hint, type(copy)) == ("no camera 3", "try 0", InputError)
