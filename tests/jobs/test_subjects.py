"""What measuring measures; and every verb that needs no training, run with the network cut off."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from fleetfoot import cli
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.jobs import subjects
from fleetfoot.jobs.requests import MeasureRequest

REQUEST = MeasureRequest(engine="all", precision="float32", batch="1,4", threads="1,2")


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every attempt to reach another machine is refused and noted."""
    attempts: list[str] = []

    def refuse(*words: Any, **_: Any) -> None:
        attempts.append(repr(words))
        raise OSError("this test allows no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    return attempts


def test_no_verb_needs_a_network(
    bundle: Path, pictures: Path, cut_off: list[str], capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("torch")
    lines: list[tuple[list[str], int]] = [
        (["audit", str(pictures)], 0),
        (["doctor"], 0),
        (["evaluate", str(bundle), str(pictures), "--split", "all"], 0),
        (["measure", str(bundle), "--engine", "best", "--samples", "5"], 0),
        (["nets"], 0),
        (["predict", str(bundle), str(pictures)], 0),
        (["report", str(bundle)], 0),
    ]
    for words, code in lines:
        assert cli.run([*words, "--json", "--quiet"]) == code
        out, err = capsys.readouterr()
        assert json.loads(out)["schema"].startswith(f"fleetfoot.{words[0]}/")
        assert err == ""
    assert cut_off == []


def test_a_subject_is_a_network_or_a_bundle(bundle: Path):
    pytest.importorskip("torch")
    assert isinstance(subjects.subject_of(str(bundle)), subjects.BundleSubject)
    assert isinstance(subjects.subject_of(str(bundle.parent)), subjects.BundleSubject)
    assert isinstance(subjects.subject_of("fasternet_t0"), subjects.NetSubject)
    with pytest.raises(UsageError):
        subjects.subject_of("fasternet_t9")
    with pytest.raises(DataError):
        subjects.subject_of("no/such/folder")


def test_the_cells_of_a_bundle_are_every_combination_once(bundle: Path, tmp_path: Path):
    plans = list(subjects.subject_of(str(bundle)).plan(REQUEST, tmp_path))
    assert len({plan.name for plan in plans}) == len(plans)
    rows = {(plan.setup.engine, plan.setup.batch, plan.setup.threads) for plan in plans}
    assert rows == {
        (engine, batch, threads)
        for engine in ("onnxruntime", "openvino")
        for batch in (1, 4)
        for threads in (1, 2)
    }
    assert all(plan.cell is not None and plan.cell.input_shape[1:] == (3, 8, 8) for plan in plans)


def test_the_eager_cells_of_a_network_need_no_export(tmp_path: Path):
    pytest.importorskip("torch")
    request = MeasureRequest(engine="eager", layout="nchw,nhwc", batch=2, size="16,32", threads=1)
    subject = subjects.subject_of("fleetnet_small")
    plans = list(subject.plan(request, tmp_path))
    assert len(plans) == 8  # two precisions, two layouts, two sizes
    assert {plan.setup.form for plan in plans} == {"eager"}
    assert not list(tmp_path.iterdir())
    small, large = (subject.counted(size, 1, "float32").totals for size in (16, 32))
    assert small.params == large.params
    assert small.macs is not None
    assert large.macs is not None
    assert 3.5 < large.macs / small.macs < 4.5
    half = subject.counted(16, 1, "bfloat16").totals
    assert small.bytes_moved is not None
    assert half.bytes_moved == small.bytes_moved // 2
    assert subject.counted(1, 1, "float32").totals.params == small.params


def test_what_does_not_fit_into_memory_is_refused_before_it_is_taken(tmp_path: Path):
    pytest.importorskip("torch")
    request = MeasureRequest(engine="eager", precision="float32", size="16,16384", threads=1)
    fits, too_large = subjects.NetSubject("fleetnet_small").plan(request, tmp_path)
    assert fits.cell is not None
    assert too_large.cell is None
    assert too_large.exit_code == 2
    assert "--size 16384 --batch 1: needs" in (too_large.error or "")


def test_an_export_that_fails_is_a_row(tmp_path: Path):
    pytest.importorskip("torch")
    request = MeasureRequest(engine="onnxruntime", precision="int8", batch=3, size=16, threads=1)
    subject = subjects.NetSubject("fleetnet_small")
    subject._graph = _failing  # type: ignore[method-assign]
    (plan,) = subject.plan(request, tmp_path)
    assert plan.cell is None
    assert plan.error == "cannot be exported"


def _failing(*_: Any) -> Any:
    raise UsageError("cannot be exported")
