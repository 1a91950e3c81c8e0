"""Write down how a run goes: metrics.jsonl, saved states, and what a listener hears.

A full disk stops nothing until the end: lines wait in memory, a state is tried again when the next
one is due, and only a last state that cannot be saved is an error.
"""

import contextlib
import math
import shlex
import time
from pathlib import Path
from typing import Any

from fleetfoot.core.errors import TrainingError
from fleetfoot.core.files import write_json
from fleetfoot.core.listener import Listener, Silent
from fleetfoot.core.results import to_json
from fleetfoot.train.head.phase import HeadReport
from fleetfoot.train.metrics_log import MetricsLog
from fleetfoot.train.optim.stretch import Stretch
from fleetfoot.train.planning.plan import Plan
from fleetfoot.train.process.distributed import Process
from fleetfoot.train.saved_state import SavedState, forget_states, load_latest, save_state
from fleetfoot.train.steps.take_steps import Taken
from fleetfoot.train.train_state import Progress, TrainState

METRICS = "metrics.jsonl"
STATES = "state"
HEAD = "head.json"


class Recorder:
    """The files of one run and its listener; processes other than the first write nothing."""

    def __init__(
        self, folder: Path, plan: Plan, *, process: Process, progress: Listener | None
    ) -> None:
        self.states = folder / STATES
        self.plan = plan
        self.writes = process.is_first
        self.listener = Silent() if progress is None or not self.writes else progress
        self.start = self._tick = time.perf_counter()
        self._metrics_path = folder / METRICS
        self._metrics: MetricsLog | None = None
        self._earlier = 0.0  # seconds of earlier processes
        self._saved_step = -1

    def begin(self, *, resume: bool) -> SavedState | None:
        """Return the state to go on from; without one, old states and metrics are removed.

        Raises:
            DataError: states are there, but none can be read.
        """
        state = load_latest(self.states) if resume else None
        if state is not None:
            self._saved_step = state.step
            progress = Progress(**state.scalars["progress"])
            self._earlier = progress.seconds
            total = progress.ends_at(self.plan.total_steps)
            self.listener.message(f"resumed after step {state.step} of {total}")
        elif self.writes:
            forget_states(self.states)
        if self.writes:
            length = state.scalars["metrics_bytes"] if state is not None else 0
            self._metrics = MetricsLog(self._metrics_path, length=length)
        return state

    def follow(self, state: TrainState) -> None:
        """Write down what becomes of ``state`` from now on."""
        self.state = state
        self._tick = time.perf_counter()

    def head(self, report: HeadReport) -> None:
        """Write ``head.json`` and tell the listener; a full disk only leaves the file out."""
        self.listener.message(report.in_words())
        if self.writes:
            with contextlib.suppress(OSError):
                record = to_json(report, schema="fleetfoot.head/1")
                write_json(self.states.parent / HEAD, record)

    @property
    def seconds(self) -> float:
        """Time spent on the run, in this process and in earlier ones."""
        return self._earlier + time.perf_counter() - self.start

    def step(self, taken: Taken) -> None:
        """Note one step, after it was taken."""
        progress = self.state.progress
        now = time.perf_counter()
        rate, self._tick = taken.images / max(now - self._tick, 1e-9), now
        progress.images += taken.images
        progress.loss_sum += taken.loss * taken.images
        accuracy = taken.metrics.get("accuracy", 0.0)
        progress.accuracy_sum += accuracy * taken.images
        epoch = (progress.step - 1) // self.plan.steps_per_epoch + 1
        fields: dict[str, Any] = {"step": progress.step, "epoch": epoch, "loss": taken.loss}
        fields |= taken.metrics | {"lr": taken.lr, "images_per_second": round(rate, 1)}
        if self._metrics is not None:
            self._metrics.add(kind="step", **fields, seconds=round(self.seconds, 3))
        epochs = math.ceil(self._total / self.plan.steps_per_epoch)  # the last may be cut short
        self.listener.update(**fields, total_steps=self._total, epochs=epochs)

    def stretch(self, stretch: Stretch | None) -> None:
        """Note that the run goes on otherwise than planned, unless it is None."""
        if stretch is None:
            return
        before = self._total
        self.state.progress.stretch = stretch
        if self._metrics is not None:
            self._metrics.add(kind="stretch", **stretch._asdict(), seconds=round(self.seconds, 3))
        pace = "slower" if stretch.total < before else "faster"
        self.listener.message(
            f"steps are {pace} than planned: {stretch.total} steps instead of {before}"
        )

    @property
    def _total(self) -> int:
        return self.state.progress.ends_at(self.plan.total_steps)

    def evaluation(self, fields: dict[str, Any]) -> None:
        """Note an evaluation: a line of the kind "epoch"."""
        line = {**fields, "seconds": round(self.seconds, 3)}
        self.state.progress.history.append(line)
        if self._metrics is not None:
            self._metrics.add(kind="epoch", **line)
        self.listener.update(**fields)

    def save(self, *, last: bool = False) -> None:
        """Save the state and bring metrics.jsonl up to date, unless this step is saved already.

        Raises:
            TrainingError: weights that are not numbers, which are never saved; or, with
                ``last``, a disk that takes no more.
        """
        step = self.state.progress.step
        if self._metrics is None or step == self._saved_step:
            return
        if not self.state.is_finite():
            raise TrainingError(
                f"the weights are no longer finite numbers after step {step}: lower `lr` or set "
                f"`clip_norm`; {self.last_good()}"
            )
        self.state.progress.seconds = self.seconds
        try:
            self._metrics.flush(sync=True)
            save_state(
                self.states, self.state.to_saved(scalars={"metrics_bytes": self._metrics.length})
            )
            self._saved_step = step
        except OSError as error:
            reason = error.strerror or str(error)
            if last:
                raise TrainingError(
                    f"{self.states}: the state after step {step} cannot be saved ({reason}); free "
                    f"some space; {self.last_good()}"
                ) from error
            self.listener.message(
                f"the state after step {step} could not be saved ({reason}); training goes on"
            )

    def last_good(self) -> str:
        """Return where a person can go back to, in words."""
        if self._saved_step < 0:
            return "no state was saved before"
        return f"the last good state is {self.states / f'step-{self._saved_step}'}"

    def how_to_go_on(self) -> str:
        """Return what a person who stopped the run can do, in words."""
        return (
            f"stopped after step {self.state.progress.step} of {self._total}, the state "
            f"is saved; go on with `fleetfoot fit --resume {shlex.quote(str(self.states.parent))}`"
        )
