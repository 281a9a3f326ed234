"""Poses sent to other programs while the run goes on: `run --send URI`."""

from runtime.live.addresses import open_live as open_live
