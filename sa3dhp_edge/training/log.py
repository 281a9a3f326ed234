"""What a training run says while it runs: a progress bar, TensorBoard scalars, and a JSON Lines file of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

Scalars = dict[str, list[tuple[int, float]]]


class Log:
    """Writes `log.jsonl` and TensorBoard events into a folder, and draws bars on stderr."""

    def __init__(self, folder: Path, *, quiet: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = (folder / "log.jsonl").open("a")
        self._board = SummaryWriter(str(folder / "tensorboard"))
        self.console = Console(stderr=True, quiet=quiet)
        self._note = ""

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._board.close()

    def scalars(self, stage: str, step: int, values: dict[str, float]) -> None:
        """Record figures of a step; the bar shows the newest."""
        self._lines.write(json.dumps({"stage": stage, "step": step, **values}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(f"{stage}/{name}", value, step)
        self._note = " ".join(f"{k} {v:.3g}" for k, v in values.items())

    def say(self, text: str) -> None:
        """A line for the person who waits."""
        self.console.print(text, highlight=False)

    def steps(self, title: str, start: int, stop: int) -> Iterator[int]:
        """Count from `start` to `stop` under a bar."""
        columns = (
            TextColumn("{task.description:22}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Progress(*columns, console=self.console) as bars:
            task = bars.add_task(title, total=stop, completed=start, note="")
            for step in range(start, stop):
                yield step
                bars.update(task, completed=step + 1, note=self._note)
        self._note = ""

    def bar(self, title: str) -> Callable[[int, int], None]:
        """A bar for work that reports (done, total) itself."""
        columns = (TextColumn("{task.description:22}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
        bars = Progress(*columns, TimeRemainingColumn(), console=self.console)
        task = bars.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            if not bars.live.is_started:
                bars.start()
            bars.update(task, completed=done, total=total)
            if done >= total:
                bars.stop()

        return show


class Quiet(Log):
    """Says and keeps nothing: for a process beside one that does."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, quiet=True)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def scalars(self, stage: str, step: int, values: dict[str, float]) -> None:
        """Nothing is kept."""

    def steps(self, title: str, start: int, stop: int) -> Iterator[int]:
        yield from range(start, stop)

    def bar(self, title: str) -> Callable[[int, int], None]:
        return lambda done, total: None


def read_scalars(folder: Path) -> dict[str, Scalars]:
    """stage -> name -> [(step, value)] of a run's log; of a step logged twice the later line counts."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    path = folder / "log.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        values = json.loads(line)
        stage, step = values.pop("stage"), values.pop("step")
        for name, value in values.items():
            found.setdefault(stage, {}).setdefault(name, {})[step] = value
    return {s: {n: sorted(v.items()) for n, v in names.items()} for s, names in found.items()}
