"""What a person sees while a job works: bars on a terminal, a line now and then elsewhere.

Every listener (`core.listener`) has four methods: ``stage(text)`` names what is being done,
``update(**fields)`` reports numbers of the loop, ``message(text)`` says one line, ``close()`` ends
the talk. Fields that are understood: step, total_steps, epoch, epochs, loss, accuracy,
images_per_second, val_top1, done, total; others are ignored, so that a loop may tell more.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from fleetfoot.core.listener import SILENT, Listener

LINE_EVERY_SECONDS = 10.0


class Pace:
    """Units a second since the first that was seen, so that a resumed loop is judged rightly."""

    def __init__(self, clock: Any = time.monotonic) -> None:
        self.clock = clock
        self.start: float | None = None
        self.first = 0

    def per_second(self, done: int | None) -> float | None:
        """Note the position and return the pace, None at first."""
        now = self.clock()
        if done is None:
            return None
        if self.start is None:
            self.start, self.first = now, done
        elapsed = now - self.start
        return (done - self.first) / elapsed if elapsed > 0 else None


class Plain:
    """Lines on a stream: one per stage, message and epoch, and one every ten seconds between."""

    def __init__(self, stream: TextIO, *, clock: Any = time.monotonic) -> None:
        self.stream = stream
        self.clock = clock
        self._clear()

    def _clear(self) -> None:
        self.fields: dict[str, Any] = {}
        self.last = self.clock()
        self.pace = Pace(self.clock)

    def stage(self, text: str) -> None:
        self._clear()
        self._write(text)

    def message(self, text: str) -> None:
        self._write(text)

    def update(self, **fields: Any) -> None:
        self.fields |= fields
        pace = self.pace.per_second(_position(self.fields)[0])
        now = self.clock()
        if "val_top1" in fields or now - self.last >= LINE_EVERY_SECONDS:
            self.last = now
            self._write(f"  {status(self.fields, seconds_left(self.fields, pace))}")

    def close(self) -> None: ...

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text + "\n")
            self.stream.flush()
        except (OSError, ValueError):  # nobody reads: the work goes on
            pass


class Bars:
    """A live bar on a terminal; stages that are done stay as lines above it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self.console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            BarColumn(bar_width=10),
            TextColumn(
                "{task.fields[status]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=self.console,
            transient=True,
            refresh_per_second=5,
            expand=True,
        )
        self.progress.start()
        self.task: Any = None  # no stage yet
        self.fields: dict[str, Any] = {}
        self.pace = Pace()

    def stage(self, text: str) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.fields, self.pace = {}, Pace()
        self.console.print(text, soft_wrap=True)
        self.task = self.progress.add_task(text.split(":")[0][:30], total=None, status="")

    def update(self, **fields: Any) -> None:
        if self.task is None:
            self.stage("working")
        task: Any = self.task
        self.fields |= fields
        done, total = _position(self.fields)
        left = seconds_left(self.fields, self.pace.per_second(done))
        # what is cut off on a narrow terminal comes last; the bar itself shows the step
        shown = {name: value for name, value in self.fields.items() if name != "step"}
        text = "  ".join(filter(None, [_minutes(left), status(shown, None)]))
        self.progress.update(task, completed=done, total=total, status=text)
        if "val_top1" in fields:
            self.console.print(f"  {status(self.fields, None)}", soft_wrap=True)

    def message(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def close(self) -> None:
        self.progress.stop()


def listener_for(stream: TextIO, *, quiet: bool = False) -> Listener:
    """Return the listener that fits: silent, bars on a terminal, or plain lines.

    No bars where ``CI`` is set or the terminal is dumb.
    """
    if quiet:
        return SILENT
    if stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb":
        return Bars(stream)
    return Plain(stream)


@contextmanager
def listening(stream: TextIO, *, quiet: bool = False) -> Generator[Listener]:
    """Give the listener that fits for the length of a job; stray prints go to ``stream`` too."""
    listener = listener_for(stream, quiet=quiet)
    try:
        with redirect_stdout(stream):
            yield listener
    finally:
        listener.close()


def status(fields: dict[str, Any], left: float | None) -> str:
    """Return the numbers of a loop as one short line.

    >>> status({"epoch": 3, "epochs": 9, "loss": 0.5, "val_top1": 0.975}, 75)
    'epoch 3/9  loss 0.500  validation 97.5 %  1:15 left'
    """
    parts: list[str] = []
    if "epoch" in fields:
        of = f"/{fields['epochs']:g}" if fields.get("epochs") is not None else ""
        parts.append(f"epoch {fields['epoch']}{of}")
    done, total = _position(fields)
    if done is not None:
        unit = "step " if "step" in fields else ""
        parts.append(f"{unit}{done}" + (f"/{total}" if total is not None else ""))
    for name, form in (
        ("images_per_second", "{:,.0f} images/s"),
        ("loss", "loss {:.3f}"),
        ("accuracy", "accuracy {:.1%}"),
        ("val_top1", "validation {:.1%}"),
    ):
        if fields.get(name) is not None:
            parts.append(form.format(fields[name]).replace("%", " %"))
    return "  ".join(filter(None, [*parts, _minutes(left)]))


def _minutes(left: float | None) -> str:
    if left is None:
        return ""
    minutes, seconds = divmod(round(left), 60)
    return f"{minutes}:{seconds:02d} left"


def seconds_left(fields: dict[str, Any], per_second: float | None) -> float | None:
    """Return how long the rest takes at ``per_second`` units a second, None if unknown."""
    done, total = _position(fields)
    if done is None or total is None or not per_second or per_second <= 0:
        return None
    return max(0.0, (total - done) / per_second)


def _position(fields: dict[str, Any]) -> tuple[int | None, int | None]:
    if "step" in fields:
        return fields["step"], fields.get("total_steps")
    return fields.get("done"), fields.get("total")
