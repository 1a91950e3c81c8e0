"""What a person sees of a measurement: a row is a line, what rows share is said once."""

import io
import re
from typing import Any, Literal

import pytest

from fleetfoot.jobs.measure_record import (
    MeasureCell,
    MeasureRecord,
    Setup,
    Times,
    show,
)
from fleetfoot.measure.device import device_profile
from fleetfoot.measure.totals import Totals

TIMES = Times(latency_ms_p50=1.79, latency_ms_p90=1.9, latency_ms_p99=2.3, latency_ms_iqr=0.12)
SLOW = "blocks did not agree within 2 % after 2 seconds of warming up"


def cell(engine: str, precision: str, **changes: Any) -> MeasureCell:
    setup = {
        "form": "eager" if engine == "eager" else "tuned",
        "engine": engine,
        "precision": precision,
        "layout": "nchw",
        "threads": changes.pop("threads", 1),
        "batch": 1,
        "size": changes.pop("size", 224),
    }
    fields = {
        "net": "tf_efficientnet_lite0",
        "counts": Totals(params=4_650_000, macs=384_600_000),
        "times": TIMES,
        **changes,
    }
    return MeasureCell(setup=Setup(**setup), **fields)


class Terminal(io.StringIO):
    """A terminal of 110 columns."""

    def isatty(self) -> bool:
        return True


def shown(*cells: MeasureCell) -> list[str]:
    record = MeasureRecord(
        date="2026-01-01T00:00:00Z",
        device=device_profile(),
        load_1min_after=0.5,
        throttled_ms=None,
        ceilings=(),
        notes=("the machine was busy",),
        cells=cells,
    )
    stream = Terminal()
    show(record, stream)
    return re.sub(r"\x1b\[\d+m", "", stream.getvalue()).splitlines()


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")


def test_a_row_is_a_line_at_110_columns() -> None:
    forms = [(e, p) for e in ("eager", "onnxruntime", "openvino") for p in ("float32", "bfloat16")]
    text = shown(
        *(cell(*form, net=net, note=SLOW) for net in ("a" * 24, "vovnet39a") for form in forms)
    )
    rows = [line for line in text if "float" in line]
    assert len(rows) == 12
    assert max(map(len, text)) <= 110
    assert all("1.79" in row and row.endswith("[1]") for row in rows)


def test_what_all_rows_share_is_said_once() -> None:
    text = shown(cell("eager", "float32"), cell("openvino", "float32"))
    assert text[0] == "tf_efficientnet_lite0 at 224 px: 4.65 M parameters, 385 M MACs"
    assert text[1] == "float32, nchw, threads 1, batch 1, 224 px"
    assert text[3].split() == ["form", "engine", "p50", "ms", "p90", "p99", "IQR"]


def test_what_differs_is_a_column() -> None:
    text = shown(cell("eager", "float32", threads=1), cell("eager", "float32", threads=2))
    assert text[1] == "eager, float32, nchw, batch 1, 224 px"
    assert text[3].split()[0] == "threads"
    assert [line.split()[0] for line in text[4:6]] == ["1", "2"]


def test_a_network_at_two_sizes_is_two_networks() -> None:
    small = cell("eager", "float32", size=128, counts=Totals(params=4_650_000, macs=125_000_000))
    text = shown(cell("eager", "float32"), small)
    assert text[1] == "tf_efficientnet_lite0 at 128 px: 4.65 M parameters, 125 M MACs"


def test_remarks_are_below_each_once() -> None:
    failed = cell("openvino", "float16", times=Times(), error="this processor has no float16")
    text = shown(cell("eager", "float32", note=SLOW), failed, cell("openvino", "int8", note=SLOW))
    assert [line.split()[-1] for line in text[4:7]] == ["[1]", "[2]", "[1]"]
    assert text[7:9] == [f"[1] {SLOW}", "[2] this processor has no float16"]


@pytest.mark.parametrize("cells", [0, 1])
def test_nothing_measured_is_shown_too(cells: Literal[0, 1]) -> None:
    failed = cell("openvino", "float16", times=Times(), error="no float16")
    text = shown(*[failed] * cells)
    assert ("[1] no float16" in text) == bool(cells)
    assert "note: the machine was busy" in text
