"""What becomes of poses: files written during a run, and the formats made of a recording afterwards."""

from runtime.outputs.base import AbstractOutput as AbstractOutput
from runtime.outputs.header import Stream as Stream
from runtime.outputs.jsonl import PoseWriter as PoseWriter
from runtime.outputs.reading import read_poses as read_poses
