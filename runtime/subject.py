"""Who is seen: the one number that turns a picture's proportions into millimetres."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sa3dhp_edge.errors import InputError

_RANGE_MM = (500.0, 2500.0)
_HINT = "measure the person and write the file with: sa3dhp-edge calib subject --height-cm 178 --out subject.json"


@dataclass(frozen=True)
class Subject:
    """A person; `height_mm` is standing, without shoes.

    Raises:
        InputError: no person is that tall.
    """

    height_mm: float

    def __post_init__(self) -> None:
        low, high = _RANGE_MM
        if not low <= self.height_mm <= high:
            raise InputError(
                f"a height of {self.height_mm / 10:g} cm is no person's",
                f"give the height in centimetres, {low / 10:g} to {high / 10:g}: "
                "sa3dhp-edge calib subject --height-cm 178 --out subject.json",
            )


def load_subject(path: Path) -> Subject:
    """Read what `sa3dhp-edge calib subject` wrote.

    Raises:
        InputError: no such file, or not a person's.
    """
    try:
        return Subject(float(json.loads(path.read_text())["height_mm"]))
    except (OSError, ValueError) as e:
        raise InputError(f"{path} cannot be read as a subject: {e}", _HINT) from e
    except (KeyError, TypeError) as e:
        raise InputError(f'{path} is not a subject: "height_mm" is missing or no number', _HINT) from e
    except InputError as e:
        raise InputError(f"{path}: {e.message}", e.hint) from e
