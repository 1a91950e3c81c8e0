import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fleetfoot import cli
from fleetfoot.core.errors import UsageError
from fleetfoot.jobs import measure as job
from fleetfoot.jobs.measure_record import MeasureRecord
from fleetfoot.jobs.requests import MeasureRequest
from fleetfoot.measure.latency import Schedule

TOP = {
    *(
        "schema",
        "date",
        "device",
        "accelerator",
        "load_1min_after",
        "throttled_ms",
        "ceilings",
        "notes",
        "cells",
    ),
}
QUICK = Schedule(
    min_samples=5, min_seconds=0.01, rounds=2, warm_up_seconds=0.02, max_seconds=0.5, seed=0
)
SCHEMA = Path(job.__file__).with_name("measure.schema.json")
KEYS = {
    *("net", "form", "engine", "precision", "layout", "threads", "batch", "size", "params"),
    *("macs", "bytes_moved", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99"),
    *("latency_ms_iqr", "first_call_ms", "samples", "gflops_achieved", "roof_fraction"),
    *("energy_mj", "energy_source", "error"),
    *("noise", "cold_start_ms", "energy_gross_mj", "note", "exit_code"),
    *("bytes_moved_fused", "elementwise_ops", "activations", "peak_live_bytes", "arena_bytes"),
    *("least_peak_bytes", "process_bytes"),
}


def measured(*nets: str, schedule: Schedule | None = QUICK, **words: Any) -> MeasureRecord:
    return job.measure(MeasureRequest(nets=nets, **words), schedule=schedule)


@pytest.fixture(autouse=True)
def small_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ceilings take seconds."""
    small = partial(job.measure_ceilings, side=64, most_bytes=1 << 20)
    monkeypatch.setattr(job, "measure_ceilings", small)
    job._ceilings.cache_clear()


def test_a_binary_network_has_a_packed_row_and_others_say_why_not():
    pytest.importorskip("torch")
    pytest.importorskip("numba")
    record = measured("bnn_mnist", "fleetnet_small", engine="packed", threads=1)
    bits, none = record.cells
    assert (bits.setup.form, bits.setup.precision, bits.error) == ("tuned", "w1a1", None)
    assert "MB in bits" in str(bits.note)
    assert bits.times.roof_fraction is None
    assert (none.exit_code, none.error) == (
        2,
        "FleetNet cannot be packed: it has no binary layer",
    )
    cells = measured("bnn_mnist", engine="openvino,packed", precision="w1a1,float32").cells
    forms = [(cell.setup.engine, cell.setup.precision, cell.error) for cell in cells]
    assert forms == [("openvino", "float32", None), ("packed", "w1a1", None)]


def test_a_network_in_its_eager_and_exported_forms():
    pytest.importorskip("torch")
    record = measured(
        "fleetnet_small",
        engine="eager,onnxruntime",
        precision="float32",
        threads=1,
        size=16,
    )
    eager, exported = record.cells
    assert (eager.setup.form, eager.setup.engine) == ("eager", "eager")
    assert (exported.setup.form, exported.setup.engine) == ("tuned", "onnxruntime")
    for cell in record.cells:
        assert cell.error is None
        assert cell.times.latency_ms_p50 is not None
        assert cell.times.latency_ms_p50 > 0
        assert cell.counts.macs is not None
        flops = 2 * cell.counts.macs / (cell.times.latency_ms_p50 / 1000)
        assert cell.times.gflops_achieved == pytest.approx(flops / 1e9)
        assert cell.energy.energy_mj is None
        assert cell.energy.energy_source
        assert cell.times.roof_fraction is not None
        assert cell.times.roof_fraction > 0
    assert eager.counts.params == exported.counts.params
    assert record.device.threads >= 1


@pytest.mark.parametrize(
    ("net", "message"),
    [("alexnet", "needs images of at least 63"), ("mnist_sigmoid", "pixels alone")],
)
def test_a_size_that_the_network_cannot_take_is_refused(net: str, message: str):
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match=message):
        measured(net, engine="eager", size="224,20")


@pytest.mark.slow
def test_the_best_form_is_the_fastest_of_those_that_can_be_deployed():
    pytest.importorskip("torch")
    record = measured(
        "fleetnet_small", schedule=None, engine="all,best,compile", threads=1, size=16
    )
    *others, best = record.cells
    assert best.setup.form == "tuned"
    assert best.times.latency_ms_p50 is not None
    deployed = [cell.times.latency_ms_p50 for cell in others if cell.setup.form == "tuned"]
    assert best.times.latency_ms_p50 <= 1.2 * min(filter(None, deployed))  # measured apart


def test_a_bundle_is_measured_as_it_is(bundle: Path, capsys: pytest.CaptureFixture[str]):
    record = measured(
        str(bundle),
        engine="best,openvino",
        precision="float32,int8",
        threads="1",
    )
    best, other, int8 = record.cells
    assert (best.setup.engine, best.setup.precision, best.error) == ("onnxruntime", "float32", None)
    assert (other.setup.engine, other.error) == ("openvino", None)
    assert int8.times.latency_ms_p50 is None
    assert int8.error == "the bundle holds no int8 form"
    assert best.setup.size == 8
    assert best.counts.params is None  # a network that nobody registered


def test_what_cannot_run_is_a_row_with_the_reason(bundle: Path):
    def reasons(**words: Any) -> list[str | None]:
        record = measured(str(bundle), threads=1, **words)
        assert all(cell.times.latency_ms_p50 is None for cell in record.cells)
        return [cell.error for cell in record.cells]

    assert "no torch network" in str(reasons(engine="eager", precision="float32"))
    assert "made for 8 px" in str(reasons(engine="best", size="224"))
    assert "made for nchw" in str(reasons(engine="best", layout="nhwc"))
    assert "no bfloat16" in str(reasons(engine="onnxruntime", precision="bfloat16"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"engine": "tensorrt"}, "--engine tensorrt"),
        ({"precision": "int4"}, "--precision int4"),
        ({"layout": "chwn"}, "--layout chwn"),
        ({"threads": "0"}, "--threads 0"),
        ({"batch": "1,x"}, "--batch x"),
        ({"size": "-3"}, "--size -3"),
    ],
)
def test_a_wrong_word_is_named(bundle: Path, words: dict[str, str], expected: str):
    with pytest.raises(UsageError, match=expected):
        measured(str(bundle), **words)  # type: ignore[arg-type]


def test_nothing_to_measure_and_unknown_networks(capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("torch")
    assert cli.run(["measure"]) == 2
    assert "at least one network" in capsys.readouterr().err
    assert cli.run(["measure", "fasternet_t9", "--quiet"]) == 2
    assert "fasternet_t0" in capsys.readouterr().err


def test_every_key_is_there_with_broken_torchvision(
    bundle: Path, sabotage: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("torch")
    for name, value in sabotage("torchvision").items():  # of the processes behind the cells
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    code = cli.run(
        [
            *("measure", "fleetnet_small", str(bundle), "--engine", "eager", "--json"),
            *("--precision", "float32", "--threads", "1", "--size", "8", "--samples", "5"),
        ]
    )
    out, err = capsys.readouterr()
    assert code == 2  # one row is refused, the other is measured
    assert "a bundle holds no torch network" in err.splitlines()[-1]
    answer = json.loads(out)
    assert answer.keys() == TOP
    assert answer["schema"] == "fleetfoot.measure/2"
    assert all(cell.keys() == KEYS for cell in answer["cells"])
    measured, refused = answer["cells"]
    assert (measured["error"], measured["exit_code"], refused["exit_code"]) == (None, None, 2)
    assert measured["roof_fraction"] > 0
    assert answer["ceilings"][0]["gflops"]["float32"] > 0
    assert measured["cold_start_ms"] > measured["first_call_ms"] > 0
    jsonschema.validate(answer, json.loads(SCHEMA.read_text()))


def test_a_bundle_is_measured_without_torch(bundle: Path, fleetfoot: Any, sabotage: Any):
    words = ("measure", bundle, "--engine", "best", "--samples", "5", "--quiet")
    done = fleetfoot(*words, **sabotage("torch"))
    assert done.returncode == 0, done.stderr.decode()
    assert b"onnxruntime" in done.stdout


def test_a_network_by_name_needs_torch(fleetfoot: Any, sabotage: Any):
    done = fleetfoot("measure", "fleetnet", "--quiet", **sabotage("torch"))
    assert done.returncode == 6
    assert b"force-reinstall" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_an_interruption_ends_in_one_line_and_leaves_no_process(bundle: Path, tmp_path: Path):
    log = tmp_path / "stderr"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "fleetfoot", "measure", str(bundle), "--engine", "best"],
            stdout=subprocess.PIPE,
            stderr=stream,
        )
    give_up = time.monotonic() + 60
    while b"measuring" not in log.read_bytes() and time.monotonic() < give_up:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = children.read_text().split() if children.exists() else []
    process.send_signal(signal.SIGTERM)  # as Ctrl-C
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert log.read_text().splitlines()[-1] == "fleetfoot: interrupted"
    # One that was being started is not waited for: it ends by itself when its input is closed.
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
