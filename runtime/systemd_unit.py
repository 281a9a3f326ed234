"""The systemd unit for this installation: which program, and which settings."""

from __future__ import annotations

import logging
from pathlib import Path

from runtime.run_file import run_config
from sa3dhp_edge.errors import ConfigError

log = logging.getLogger(__name__)

_TEMPLATE = Path(__file__).with_name("sa3dhp-edge.service")
_HOMES = ("/home/", "/root/", "/run/user/")


def unit_text(program: Path, config: Path) -> str:
    """A unit that runs `program` with the settings of `config`, which are read if they are there already.

    Raises:
        ConfigError: the settings cannot be used, or a path that a unit cannot name.
    """
    if config.exists():
        run_config(file=config)
    else:
        log.warning("%s is not there yet: `sa3dhp-edge run --print-config > %s` makes one", config, config)
    for path in (program, config.resolve()):
        if str(path).startswith(_HOMES):
            log.warning("%s: the service sees no home folder; install it elsewhere, for example in /opt", path)
    text = _TEMPLATE.read_text(encoding="utf-8")
    return text.replace("@PROGRAM@", _word(program)).replace("@CONFIG@", _word(config.resolve()))


def _word(path: Path) -> str:
    """A path as one word of a unit's command line."""
    text = str(path)
    if not path.is_absolute() or any(letter in text for letter in "\n\"'\\"):
        raise ConfigError(f"a unit cannot name {text!r}", "take an absolute path without quotes")
    text = text.replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if " " in text else text
