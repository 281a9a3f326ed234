"""Where is the model that comes with the program?"""

from __future__ import annotations

from pathlib import Path

from sa3dhp_edge.errors import ModelError

SHIPPED = "shipped"
"""The word that stands for it wherever a model is named; a folder of that name is `./shipped`."""
FOLDER = Path(__file__).resolve().parent / "shipped_model"
"""Made by `python -m sa3dhp_edge.jobs.ship`; the model's card lies in it."""


def model_folder(model: Path | str) -> Path:
    """The folder behind a model's name.

    Raises:
        ModelError: the shipped model is asked for, and this copy of the program came without it.
    """
    if model != SHIPPED:
        return Path(model)
    if not FOLDER.is_dir():
        raise ModelError(
            f"the model that comes with the program is not there: {FOLDER}",
            "install sa3dhp-edge again (in a checkout: `git checkout -- sa3dhp_edge/shipped_model`), or name another "
            "model folder; `sa3dhp-edge demo --out demo` makes one in demo/model",
        )
    return FOLDER
