import json
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.core.listener import Silent
from fleetfoot.jobs.measure_page import check_page, known_accuracy, write_page
from fleetfoot.jobs.measure_record import MeasureCell, MeasureRecord, Setup, Times
from fleetfoot.measure.device import device_profile
from fleetfoot.measure.latency import Schedule
from fleetfoot.measure.roofline import Ceilings
from fleetfoot.measure.totals import Totals

QUICK = Schedule(min_samples=2, min_seconds=0.001, rounds=1, warm_up_seconds=0.0, max_seconds=0.1)


def record(*nets: str, size: int = 16) -> MeasureRecord:
    """Return a record as if each network had been timed, with ceilings of one thread."""
    setup = Setup(
        form="eager",
        engine="eager",
        precision="float32",
        layout="nchw",
        threads=1,
        batch=1,
        size=size,
    )
    return MeasureRecord(
        date="2026-01-02T03:04:05Z",
        device=device_profile(),
        load_1min_after=None,
        throttled_ms=None,
        ceilings=(Ceilings(threads=1, gflops={"float32": 99.0}, gb_per_s={"memory": 9.0}),),
        notes=(),
        cells=tuple(
            MeasureCell(
                net=net,
                setup=setup,
                counts=Totals(macs=10**6),
                times=Times(latency_ms_p50=1.0),
            )
            for net in nets
        ),
    )


def test_a_network_gets_its_layers_and_memory(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    write_page(record("fleetnet_small"), tmp_path / "out", listener=Silent(), schedule=QUICK)
    report = json.loads((tmp_path / "out" / "measure.json").read_text("utf-8"))
    (layers,), (memory,) = report["layers"], report["memory"]
    assert report["measure"]["schema"].startswith("fleetfoot.measure/")
    assert layers["ceilings"]["gflops"] == {"float32": 99.0}  # those of the record, not new ones
    assert {point["kind"] for point in layers["points"]} >= {"conv", "linear"}
    points = [point for point in layers["points"] if point["mem_access"] is not None]
    assert {point["kind"] for point in points} == {"conv"}
    assert layers["mem_access"]["elements"] == sum(point["mem_access"] for point in points)
    assert layers["mem_access"]["excess"] >= 1
    assert len(memory["live_bytes"]) == len(memory["names"])
    page = (tmp_path / "out" / "measure.html").read_text("utf-8")
    assert page.count('<svg class="chart"') == 3  # latency, roofline, memory; no accuracy is known


def test_a_network_that_cannot_run_says_why(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    write_page(record("alexnet", size=16), tmp_path, listener=Silent(), schedule=QUICK)
    (layers,) = json.loads((tmp_path / "measure.json").read_text("utf-8"))["layers"]
    assert layers["points"] == []
    assert layers["reason"]


def test_another_device_has_counts_but_no_layers(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    write_page(record("fleetnet_small"), tmp_path, listener=Silent(), device="cuda")
    report = json.loads((tmp_path / "measure.json").read_text("utf-8"))
    assert report["layers"][0]["reason"] == "layers are timed on the CPU alone"
    assert report["memory"][0]["arena_bytes"] > 0


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    check_page(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        check_page(tmp_path / "file")


def test_published_accuracy_has_its_source() -> None:
    pytest.importorskip("torch")
    known = known_accuracy("tf_efficientnet_lite0")
    assert known == {
        **{"top1": 0.751, "source": "published, ImageNet-1k"},
        **{"size": 224, "precision": None},
    }
    assert known_accuracy("fasternet_t0") is None
