"""A page to look at a run, with its health and its figures: `run --serve`."""

from runtime.page.monitor import Monitor as Monitor
from runtime.page.recorder import Recorder as Recorder
from runtime.page.server import Page as Page
