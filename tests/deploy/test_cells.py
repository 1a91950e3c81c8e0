import copy
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from fleetfoot.core import machine_lock
from fleetfoot.core.errors import UsageError
from fleetfoot.core.file_lock import ALONE, FREE, flock
from fleetfoot.core.listener import Silent
from fleetfoot.deploy import cells as cells_module
from fleetfoot.deploy.cells import Cell, measure_cells, median_of_fresh
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.measure import energy


@pytest.fixture(scope="module")
def graph(subject, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    return export_onnx(subject.net, folder / "m.onnx", image=(3, 24, 24))


def cell(name: str, engine: str, **fields) -> Cell:
    return Cell(name=name, engine=engine, input_shape=(1, 3, 24, 24), **fields)


def test_engines_side_by_side_with_eager(subject, graph: Path, instant):
    timings = measure_cells(
        [
            cell("ort", "onnxruntime", file=graph),
            cell("ov", "openvino", file=graph),
            cell("eager", "eager", module=subject.net),
        ],
        instant,
    )
    assert list(timings) == ["ort", "ov", "eager"]
    for timing in timings.values():
        assert timing.error is None
        assert timing.latency.samples >= 4
        assert timing.latency.ms_p50 > 0
        assert timing.open_ms > timing.first_call_ms > 0
        assert (timing.exit_code, timing.energy) == (None, None)
        assert timing.actual_precision == "float32"


def test_a_cell_that_cannot_open_says_why_and_the_others_are_measured(
    subject, graph: Path, instant
):
    timings = measure_cells(
        [
            cell("gone", "onnxruntime", file=graph.with_name("gone.onnx")),
            cell("bf16", "onnxruntime", file=graph, precision="bfloat16"),
            cell("int8", "eager", module=subject.net, precision="int8"),
            cell("sound", "onnxruntime", file=graph),
        ],
        instant,
        in_turn=True,
    )
    assert "no such file" in timings["gone"].error
    assert "has no bfloat16" in timings["bf16"].error
    assert "eager has no int8" in timings["int8"].error
    codes = [timing.exit_code for timing in timings.values()]
    assert codes == [3, 2, 6, None]
    assert timings["gone"].latency is None
    assert timings["sound"].latency is not None


def test_a_worker_that_dies_is_left_out(subject, graph: Path, instant):
    dying = cell("dying", "onnxruntime", file=graph)
    with cells_module._workers([dying, cell("sound", "openvino", file=graph)]) as workers:
        assert workers["dying"].block(1)
        os.kill(workers["dying"]._process.pid, signal.SIGKILL)
        assert workers["dying"].block(1) == []
        assert workers["dying"].timing(None, None).error == "its process was ended by SIGKILL"
        assert workers["sound"].block(2)


def test_outputs_that_are_not_finite_are_an_error(subject, instant):
    net = copy.deepcopy(subject.net)
    net[0].weight.data.fill_(float("inf"))
    timing = measure_cells([cell("infinite", "eager", module=net)], instant)["infinite"]
    assert timing.error == "its outputs are not finite numbers"


def test_a_worker_that_does_not_answer_is_given_up(graph: Path, instant, monkeypatch):
    monkeypatch.setattr(cells_module, "OPEN_SECONDS", 0.001)
    timing = measure_cells([cell("slow", "onnxruntime", file=graph)], instant)["slow"]
    assert timing.error == "no answer within the time allowed"


class Watch:
    """A counter of a machine that takes one watt."""

    source = "watch"

    def read(self) -> dict[str, float]:
        return {"all": 1000 * time.perf_counter()}

    def spent(self, before: dict[str, float], after: dict[str, float]) -> float:
        return after["all"] - before["all"]


def test_a_meter_runs_along(graph: Path, instant, monkeypatch):
    brief = partial(energy.measure_energy, seconds=0.02)
    monkeypatch.setattr(cells_module, "measure_energy", brief)
    timing = measure_cells([cell("ort", "onnxruntime", file=graph)], instant, meter=Watch())["ort"]
    assert timing.energy.source == "watch"
    assert timing.energy.idle_w == pytest.approx(1.0, rel=0.2)
    assert timing.energy.net_mj < timing.energy.gross_mj


def test_fresh_processes(graph: Path, instant):
    runs = median_of_fresh(cell("ort", "onnxruntime", file=graph), repeats=2, schedule=instant)
    assert [run.error for run in runs] == [None, None]


def test_waiting_for_another_measurement_is_said(graph: Path, instant, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(machine_lock, "_lock", machine_lock._Lock())
    heard: list[str] = []

    class Ears(Silent):
        def message(self, text: str) -> None:
            heard.append(text)
            flock(others[0], FREE)

    others = machine_lock._open_files()
    assert others is not None
    flock(others[0], ALONE)
    (run,) = median_of_fresh(
        cell("ort", "onnxruntime", file=graph), repeats=1, schedule=instant, listener=Ears()
    )
    assert (run.error, heard) == (None, [machine_lock.WAITING])
    machine_lock._close(others)
    machine_lock._close(machine_lock._lock.files)


def test_names_must_differ(graph: Path):
    assert measure_cells([]) == {}
    with pytest.raises(UsageError, match="name of its own"):
        measure_cells([cell("a", "openvino", file=graph)] * 2)
