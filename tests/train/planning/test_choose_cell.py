"""Which ways are tried, and how often, where each takes what a test says."""

import itertools
from typing import Any

import pytest
import tiny_run as tiny

from fleetfoot.core.listener import Silent
from fleetfoot.train.planning import choose_cell as module
from fleetfoot.train.planning.choose_cell import choose_cell
from fleetfoot.train.planning.clock import Clock
from fleetfoot.train.planning.task import Task
from fleetfoot.train.planning.ways import Cell, Way

NHWC, NCHW = Way("float32", "nhwc"), Way("float32", "nchw")
HALF, HALF_NCHW = Way("bfloat16", "nhwc"), Way("bfloat16", "nchw")


class Ears(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text.strip())


class Told(Clock):
    """A clock that goes on by what steps are said to take, however busy the machine is."""

    now = 0.0

    def __init__(self, seconds: float, *, started: float | None = None) -> None:
        self._end = (self.now if started is None else started) + seconds

    @property
    def left(self) -> float:
        return self._end - Told.now

    def part(self, share: float, *, most: float) -> Clock:
        return Told(min(share * self.left, most))


class Timed(Task):
    """Batches of 8 take as long as a table says, the first of each way more; parts as much less."""

    table: dict[Way, tuple[float, float]]

    def trial(self, way: Way) -> Any:
        steps = itertools.chain(self.table[way][:1], itertools.repeat(self.table[way][1]))

        class Trial:
            def train(self, batch: Any) -> float:
                return next(steps) * len(batch.labels) / 8

        return Trial()


def told(runner: Any) -> float:
    seconds = runner()
    Told.now += seconds
    return seconds


def chosen(
    table: dict[Way, tuple[float, float]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    seconds: float = 10.0,
    **changes: Any,
) -> tuple[Way, dict[Way, Cell], list[str]]:
    monkeypatch.setattr("fleetfoot.train.planning.ways.computes_bfloat16", lambda: False)
    recipe = tiny.recipe(**{"precision": "auto", "layout": "auto", "kernels": "torch", **changes})
    task = Timed(
        net=tiny.new_net(), recipe=recipe, preprocess=tiny.PREPROCESS, classes=3, device="cpu"
    )
    object.__setattr__(task, "table", table)
    ears = Ears()
    monkeypatch.setattr(module, "_timed", told)
    way, cells = choose_cell(task, images=50, clock=Told(seconds), listener=ears)
    return way, {cell.way: cell for cell in cells}, ears.heard


def test_close_ways_take_turns_and_the_fastest_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {NHWC: (0.3, 0.10), HALF: (0.3, 0.12), NCHW: (0.3, 0.11), HALF_NCHW: (0.3, 0.18)}
    way, cells, heard = chosen(table, monkeypatch)
    assert way == NHWC
    assert [*cells] == [NHWC, HALF, NCHW, HALF_NCHW]
    assert [cells[w].steps for w in (NHWC, HALF, NCHW)] == [2 + module.CELL_STEPS] * 3
    assert cells[HALF_NCHW].steps == 2  # far behind
    assert heard[0] == "float32 nhwc: 100 ms a step"


def test_a_way_that_takes_twice_the_least_is_given_up_after_a_part_of_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = Told.now
    table = {NHWC: (0.2, 0.1), HALF: (4.0, 1.0), NCHW: (0.2, 0.13)}
    way, cells, heard = chosen(table, monkeypatch, seconds=100.0)
    assert way == NHWC
    assert (cells[HALF].steps, cells[HALF].step_ms, HALF_NCHW in cells) == (1, 1e3, False)
    assert heard[1] == "bfloat16 nhwc: 1,000 ms a step, given up"
    assert heard[3] == "bfloat16 nchw: not measured, bfloat16 is far behind"
    assert Told.now - started < 4.0


def test_what_there_is_no_time_for_is_estimated_or_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = Told.now
    way, cells, heard = chosen({NHWC: (50.0, 40.0)}, monkeypatch, seconds=14.4)
    assert Told.now - started == 50.0 / module.PART  # of a step that takes longer than planning may
    assert (way, [*cells], cells[NHWC].step_ms) == (NHWC, [NHWC], 50e3)
    assert heard[1:] == [
        f"{other}: not measured, planning has no time left for it"
        for other in (HALF, NCHW, HALF_NCHW)
    ]


@pytest.mark.parametrize(("length", "known"), [({"epochs": 2}, False), ({"minutes": 1.0}, True)])
def test_a_single_way_is_measured_where_the_length_of_the_run_follows_from_it(
    length: dict[str, float], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"epochs": None, "minutes": None, "precision": "bfloat16", "layout": "nchw", **length}
    way, cells, _ = chosen({HALF_NCHW: (0.2, 0.1)}, monkeypatch, **given)
    assert (way, [*cells]) == (HALF_NCHW, [HALF_NCHW] if known else [])
