"""What limits a measurement: few threads, few samples, words that do not exist, broken networks."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fleetfoot import cli
from fleetfoot.core.errors import UsageError
from fleetfoot.deploy import cells
from fleetfoot.deploy.cells import Cell, measure_cells
from fleetfoot.jobs import measure as job
from fleetfoot.jobs.measure_record import MeasureCell, MeasureRecord, Setup, Times
from fleetfoot.jobs.requests import MeasureRequest
from fleetfoot.measure import device
from fleetfoot.measure.latency import Schedule
from fleetfoot.measure.roofline import Ceilings
from fleetfoot.measure.totals import Totals

BRIEF = Schedule(min_samples=4, min_seconds=0.0, rounds=2, warm_up_seconds=0.0)


def measured(
    *nets: str, schedule: Schedule | None = BRIEF, root: Path | str = "/", **words: Any
) -> MeasureRecord:
    return job.measure(MeasureRequest(nets=nets, **words), schedule=schedule, root=root)


def test_a_quota_of_one_processor_is_one_thread_and_is_said(bundle: Path, tmp_path: Path):
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("100000 100000\n")
    (group / "cpu.stat").write_text("throttled_usec 0\n")
    record = measured(str(bundle), engine="best", root=tmp_path, threads="2")
    assert [cell.setup.threads for cell in record.cells] == [1]
    assert "--threads 2: 1 is all this process may use" in record.notes
    assert record.throttled_ms == 0.0
    if len(device.allowed_cpus()) > 1:
        assert "at most 1 thread: the quota of the cgroup grants 1 processor" in record.notes


def test_an_affinity_of_one_processor_is_one_thread_and_is_said_on_the_screen(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(device, "allowed_cpus", lambda: (0,))
    monkeypatch.setattr(device.os, "cpu_count", lambda: 2)
    assert cli.run(["measure", str(bundle), "--engine", "best", "--samples", "4"]) == 0
    out = capsys.readouterr().out
    assert "note: at most 1 thread: this process may run on 1 of 2 processors" in out
    assert "p99 needs 100 samples: 4 were taken" in out


def test_too_few_samples_for_a_percentile_are_said(bundle: Path):
    record = measured(str(bundle), engine="best", samples=12, schedule=None)
    (cell,) = record.cells
    assert 12 <= cell.times.samples < 100
    assert cell.times.latency_ms_p90 is not None
    assert (cell.times.latency_ms_p99, cell.error) == (None, None)
    assert f"p99 needs 100 samples: {cell.times.samples} were taken" in cell.note
    assert "p99 is unknown in 1 of 1 rows: --samples 100 would give it" in record.notes
    assert record.exit_code == 0
    with pytest.raises(UsageError, match="--samples 0"):
        measured(str(bundle), engine="best", samples="0", schedule=None)
    with pytest.raises(UsageError, match="takes one number"):
        measured(str(bundle), engine="best", samples="5,6", schedule=None)


def test_an_engine_that_does_not_exist_is_a_row_and_the_others_are_measured(
    bundle: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["measure", str(bundle), "--engine", "tensorrt,onnxruntime", "--samples", "4"]
    assert cli.run([*words, "--precision", "float32,int8", "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert "--engine tensorrt: is not one of eager, compile, onnxruntime, openvino" in err
    assert "the bundle holds no int8 form" in err
    assert err.count("\n") == 2  # the engine once, not once for each precision
    assert "onnxruntime" in out


def test_a_network_whose_forward_fails_is_a_row_and_the_others_are_measured(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
):
    torch = pytest.importorskip("torch")
    from fleetfoot.nets import create

    class Broken(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("no such thing\nas this")

    monkeypatch.setattr(create, "create", lambda name, **_: Broken())
    record = measured("fleetnet_small", str(bundle), engine="onnxruntime", threads=1)
    broken, sound = record.cells
    assert broken.error == "its export fails: no such thing"
    assert (broken.exit_code, sound.exit_code, record.exit_code) == (1, None, 1)
    assert broken.counts.params is not None
    assert sound.times.latency_ms_p50 is not None


def test_a_precision_that_the_device_lacks_is_a_row(tmp_path: Path):
    pytest.importorskip("torch")
    record = measured("fleetnet_small", engine="eager", precision="int8", threads=1)
    assert record.cells[0].error == "eager has no int8; it has float32, bfloat16, float16"
    assert record.exit_code == 6


class Watch:
    """A counter of a machine that takes one watt."""

    source = "watch"

    def read(self) -> dict[str, float]:
        return {"all": 1000 * time.perf_counter()}

    def spent(self, before: dict[str, float], after: dict[str, float]) -> float:
        return after["all"] - before["all"]


def test_energy_is_that_of_one_image_with_its_source(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job, "find_meter", lambda device, root: Watch())
    monkeypatch.setattr(cells, "measure_energy", partial(cells.measure_energy, seconds=0.02))
    (cell,) = measured(str(bundle), engine="best").cells
    assert cell.energy.energy_source == "watch"
    assert cell.energy.energy_gross_mj > cell.energy.energy_mj


def test_a_counter_that_fails_meanwhile_gives_no_figure(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
):
    class Broken(Watch):
        def read(self) -> dict[str, float]:
            raise OSError("gone")

    monkeypatch.setattr(job, "find_meter", lambda device, root: Broken())
    (cell,) = measured(str(bundle), engine="best").cells
    assert cell.times.latency_ms_p50 is not None
    assert (cell.energy.energy_mj, cell.energy.energy_source) == (None, job.UNREAD)


def row_of(engine: str, precision: str, *, gflops: float) -> MeasureCell:
    setup = Setup(
        form="eager", engine=engine, precision=precision, layout="nchw", threads=1, batch=1, size=8
    )
    counts = Totals(macs=10**9, bytes_moved_fused=10**6)
    return MeasureCell(net="n", setup=setup, counts=counts, times=Times(gflops_achieved=gflops))


def test_faster_than_the_roof_is_said():
    row = row_of("eager", "float32", gflops=150.0)
    roof = Ceilings(threads=1, gflops={"float32": 100.0}, gb_per_s={"memory": 10.0})
    found = job._with_roof(row, {1: roof})
    assert (found.times.roof_fraction, found.note) == (1.5, job.FASTER)
    assert job._with_roof(row, {}) == row


def test_what_was_computed_in_another_precision_has_no_share_of_the_roof():
    row = replace(row_of("openvino", "bfloat16", gflops=50.0), error="computed in float32")
    roof = Ceilings(
        threads=1, gflops={"float32": 100.0, "bfloat16": 200.0}, gb_per_s={"memory": 10.0}
    )
    assert job._with_roof(row, {1: roof}).times.roof_fraction is None


def test_cells_that_differ_in_the_network_alone_are_measured_together():
    cells = [
        Cell(name=f"{net} {engine}", engine=engine, input_shape=(1, 3, 8, 8))
        for net in "abc"
        for engine in ("eager", "onnxruntime", "openvino")
    ]
    groups = job.side_by_side(cells, most=7)
    assert [[cell.name for cell in group] for group in groups] == [
        ["a eager", "b eager", "c eager", "a onnxruntime", "b onnxruntime", "c onnxruntime"],
        ["a openvino", "b openvino", "c openvino"],
    ]
    assert [len(group) for group in job.side_by_side(cells, most=2)] == [2, 1, 2, 1, 2, 1]


def test_two_networks_are_measured_in_one_group(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    groups: list[int] = []

    def noted(cells: Any, *words: Any, **named: Any) -> Any:
        groups.append(len(cells))
        return measure_cells(cells, *words, **named)

    monkeypatch.setattr(job, "measure_cells", noted)
    record = measured(str(bundle), str(bundle), engine="best", threads=1)
    assert groups == [2]
    assert all(cell.times.latency_ms_p50 is not None for cell in record.cells)
    # Nobody waited for these blocks to agree.
    assert all("did not agree" in (cell.note or "") for cell in record.cells)


def test_an_operator_without_a_rule_is_named_in_the_note():
    torch = pytest.importorskip("torch")
    from fleetfoot.jobs.measure_plan import counted

    class Sorts(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.fft.fft(x).real

    found = counted(Sorts(), (8,), batch=1, precision="float32")
    assert found.note is not None
    assert found.note.startswith("not counted: aten.")
    linear = torch.nn.Linear(2, 2)
    assert counted(linear, (2,), batch=1, precision="float32").note is None


def test_without_a_counter_no_energy_is_invented(bundle: Path, tmp_path: Path):
    (cell,) = measured(str(bundle), engine="best", root=tmp_path).cells
    assert (cell.energy.energy_mj, cell.energy.energy_gross_mj) == (None, None)
    assert "no energy counter" in cell.energy.energy_source
