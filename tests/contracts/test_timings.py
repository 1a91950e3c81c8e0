"""Every timing of the house holds the machine's lock while it measures."""

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import fleetfoot
from fleetfoot.core import machine_lock
from fleetfoot.core.machine_lock import is_measuring, measuring
from fleetfoot.deploy import cells
from fleetfoot.deploy.cells import Cell
from fleetfoot.measure import latency, roofline
from fleetfoot.measure.energy import measure_energy
from fleetfoot.train.planning import choose_cell, measure_steps, task
from fleetfoot.train.planning.clock import Clock
from fleetfoot.train.planning.task import Task
from fleetfoot.train.planning.ways import Way
from fleetfoot.train.recipe import Recipe

SOURCE = Path(fleetfoot.__file__).parent
CLOCK = re.compile(r"\b(perf_counter(_ns)?|process_time|monotonic|elapsed_time)\b")

# A file that reads a clock is here: with a timing, or with why what it times is no measurement.
TIMINGS = {
    "fleetfoot.measure.latency",
    "fleetfoot.measure.energy",
    "fleetfoot.measure.roofline",
    "fleetfoot.deploy.cells",
    "fleetfoot.train.planning.choose_cell",
    "fleetfoot.train.planning.measure_steps",
}
NO_MEASUREMENT = {
    "fleetfoot.core.machine_lock": "how long it waits itself",
    "fleetfoot.deploy.bundle": "milliseconds of one prediction, as the user sees them",
    "fleetfoot.deploy.deploy": "how long forms that are too slow are compared",
    "fleetfoot.deploy.worker": "runs the blocks of deploy.cells, which holds the lock",
    "fleetfoot.kernels.packed_net": "shares of a call, in the worker of deploy.cells",
    "fleetfoot.measure.cuda": "blocks for measure.latency, which holds the lock",
    "fleetfoot.claims.efficientnet.transfer": "seconds of a training, for the reader",
    "fleetfoot.claims.ledger": "minutes of a claim, for the reader",
    "fleetfoot.claims.kept_training": "when a state is due",
    "fleetfoot.claims.queue_worker": "minutes of a claim, for the reader",
    "fleetfoot.claims.shared": "minutes of a claim, for the reader",
    "fleetfoot.data.audit": "seconds of an audit, for the reader",
    "fleetfoot.data.batches": "where the time of loading goes",
    "fleetfoot.data.loader": "where the time of loading goes",
    "fleetfoot.jobs.fit": "seconds of a run, for the reader",
    "fleetfoot.jobs.progress": "how often a line is drawn",
    "fleetfoot.jobs.decide": "seconds of a choice, for the reader",
    "fleetfoot.search.measure_candidates": "when to begin no further network",
    "fleetfoot.search.rounds": "when to begin no further round",
    "fleetfoot.train.planning.clock": "what is left of planning's share of the minutes",
    "fleetfoot.train.head.phase": "seconds of a head phase, for the reader",
    "fleetfoot.train.planning.make_plan": "seconds of planning; measure_steps times the steps",
    "fleetfoot.train.steps.take_steps": "seconds of a step, for the reader",
    "fleetfoot.train.recorder": "seconds of a run, for the reader",
}


NOTHING: Any = None


class SeenError(Exception):
    """A probe was reached."""


def probe(*_: Any, **__: Any) -> Any:
    assert is_measuring()
    raise SeenError


class Counter:
    source = "a test"
    read = spent = probe


@pytest.fixture(autouse=True)
def own_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A lock of the test's own, so that nothing else on the machine disturbs it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(machine_lock, "_lock", machine_lock._Lock())
    yield
    machine_lock._close(machine_lock._lock.files)


def test_every_clock_is_accounted_for() -> None:
    found = {
        ".".join(("fleetfoot", *path.relative_to(SOURCE).with_suffix("").parts))
        for path in SOURCE.rglob("*.py")
        if CLOCK.search(path.read_text(encoding="utf-8"))
    }
    named = TIMINGS | set(NO_MEASUREMENT)
    assert found - named == set(), "a timing takes `measuring()`: list the file here, with why"
    assert named - found == set(), "these read no clock any more"


TASK = Task(net=NOTHING, recipe=Recipe(), preprocess=NOTHING, classes=2, device="cpu")
# Each timing with the place inside it that is reached while it measures.
ENTRIES: dict[str, tuple[Any, str | None, Callable[[], Any]]] = {
    "measure_blocks": (
        latency,
        None,
        lambda: latency.measure_blocks({"one": probe}, latency.Schedule()),
    ),
    "measure_interleaved": (latency, None, lambda: latency.measure_interleaved({"one": probe})),
    "measure_cells": (
        cells,
        "_workers",
        lambda: cells.measure_cells([Cell(name="one", engine="eager", input_shape=(1, 1, 1, 1))]),
    ),
    "measure_ceilings": (roofline, "_products", roofline.measure_ceilings),
    "measure_energy": (None, None, lambda: measure_energy({"one": probe}, Counter())),
    "choose_cell": (
        choose_cell,
        "ways_of",
        lambda: choose_cell.choose_cell(TASK, images=2, clock=Clock()),
    ),
    "measure_times": (
        task,
        "prepare",
        lambda: measure_steps.measure_times(
            TASK, NOTHING, way=Way("float32", "nchw"), clock=Clock()
        ),
    ),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_timing_holds_the_lock(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, place, call = ENTRIES[name]
    if place is not None:
        monkeypatch.setattr(module, place, probe)
    with pytest.raises(SeenError):
        call()


def test_the_probe_fails_without_the_lock() -> None:
    with pytest.raises(AssertionError):
        probe()
    with measuring(), pytest.raises(SeenError):
        probe()


def test_files_with_a_timing_have_an_entry() -> None:
    defined = {module: set(dir(importlib.import_module(module))) for module in TIMINGS}
    assert all(names & set(ENTRIES) for names in defined.values())
