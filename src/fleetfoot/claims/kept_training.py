"""A training of a claim that outlives its process: its state on disk every few minutes.

A training has a folder of its own, named by a hash of everything that decides it. A state there is
one of `train.saved_state`; the last one of a finished training also holds what it came to, so that
nobody trains it again.
"""

import contextlib
import secrets
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fleetfoot.claims.claim import Setting
from fleetfoot.core.errors import DataError
from fleetfoot.core.file_lock import locked
from fleetfoot.core.listener import Listener
from fleetfoot.core.machine_lock import rest
from fleetfoot.train.saved_state import SavedState, load_latest, save_state
from fleetfoot.train.train_state import TrainState

SAVE_SECONDS = 180.0  # between saved states
ERRORS = ("step_errors", "train_errors")


@dataclass
class Course:
    """How a training went so far.

    Attributes:
        step_errors, train_errors: as `training.Outcome` has them.
        finite: whether the loss still is a number.
        logits: of the images that judge; None until the training is finished.
    """

    step_errors: list[float] = field(default_factory=list)
    train_errors: list[float] = field(default_factory=list)
    finite: bool = True
    logits: Tensor | None = None


class KeptTraining:
    """Saves one training and finds it again; without a folder it does neither."""

    def __init__(self, folder: Path | None, listener: Listener) -> None:
        self.folder = folder
        self.listener = listener
        self._due = time.monotonic() + SAVE_SECONDS

    def begin(self, state: TrainState) -> Course:
        """Bring ``state`` to where the training was left, and return how it went until then."""
        saved = None if self.folder is None else self._load(self.folder / "state")
        if saved is None:
            return Course()
        state.restore(saved)
        errors = {name: saved.tensors[f"course.{name}"].tolist() for name in ERRORS}
        finite, logits = saved.scalars["finite"], saved.tensors.get("course.logits")
        return Course(**errors, finite=finite, logits=logits)

    def save(self, state: TrainState, course: Course) -> None:
        """Save a training that goes on, if its last state is old enough."""
        if self.folder is not None and time.monotonic() >= self._due:
            self._write(_saved(state, course))

    def last_state(self, state: TrainState, course: Course) -> SavedState | None:
        """Return what is kept of a finished training, untouched by what happens to it next."""
        if self.folder is None:
            return None
        saved = _saved(state, course)
        needed = {n: t for n, t in saved.tensors.items() if not n.startswith("optimizer.")}
        return replace(saved, tensors={name: t.detach().clone() for name, t in needed.items()})

    def finish(self, last: SavedState | None, logits: Tensor) -> None:
        """Save what a training came to, with its `last_state`."""
        if last is not None:
            self._write(replace(last, tensors=last.tensors | {"course.logits": logits}))

    def _write(self, saved: SavedState) -> None:
        assert self.folder is not None
        try:
            save_state(self.folder / "state", saved)
        except OSError as error:
            self.listener.message(f"{self.folder}: a training could not be saved ({error})")
        self._due = time.monotonic() + SAVE_SECONDS

    def _load(self, states: Path) -> SavedState | None:
        try:
            return load_latest(states)
        except DataError as error:
            aside = states.with_name(f"damaged-{secrets.token_hex(4)}")
            states.rename(aside)
            self.listener.message(f"{error}; it lies in {aside}, and the training begins again")
            return None


@contextlib.contextmanager
def kept_training(setting: Setting, key: str) -> Generator[KeptTraining]:
    """Yield the training of a key, which no other process trains meanwhile: they wait for it."""
    if setting.trainings is None:
        yield KeptTraining(None, setting.listener)
        return
    folder = setting.trainings / key
    folder.mkdir(parents=True, exist_ok=True)
    said = False
    while True:
        with locked(folder / "lock") as mine:
            if mine:
                yield KeptTraining(folder, setting.listener)
                return
        if not said:
            setting.listener.message("another process is at this training; waiting for it")
        said = True
        rest()
        time.sleep(0.5)


def _saved(state: TrainState, course: Course) -> SavedState:
    numbers: dict[str, Any] = {
        f"course.{name}": torch.tensor(getattr(course, name), dtype=torch.float64)
        for name in ERRORS
    }
    saved = state.to_saved(scalars={"finite": course.finite})
    return replace(saved, tensors=saved.tensors | numbers)
