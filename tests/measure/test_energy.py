"""Counters are files below a root of the test's own, and a library that the test makes."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fleetfoot.core.errors import MissingError
from fleetfoot.measure import energy as energy_module
from fleetfoot.measure.energy import find_meter, measure_energy


def domain(root: Path, folder: str, name: str, microjoules: int, largest: int = 10**9) -> Path:
    path = root / "sys/class/powercap" / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{largest}\n")
    return path / "energy_uj"


def test_without_a_counter_the_reason_is_given(tmp_path: Path):
    with pytest.raises(MissingError, match="no energy counter"):
        find_meter(root=tmp_path)
    domain(tmp_path, "intel-rapl:1", "psys", 0)
    with pytest.raises(MissingError, match="no package domain"):
        find_meter(root=tmp_path)


def test_a_counter_of_root_alone_is_no_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    counter = domain(tmp_path, "intel-rapl:0", "package-0", 0)
    read = Path.read_text

    def refuse(path: Path, *words: Any, **named: Any) -> str:
        if path == counter:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *words, **named)

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(MissingError, match="energy_uj: may not be read by this user"):
        find_meter(root=tmp_path)


def test_domains_that_lie_in_others_are_not_added(tmp_path: Path):
    counters = {
        name: domain(tmp_path, folder, name, 1_000_000)
        for folder, name in {
            "intel-rapl:0": "package-0",
            "intel-rapl:0:0": "core",
            "intel-rapl:0:1": "uncore",
            "intel-rapl:0:2": "dram",
            "intel-rapl:1": "psys",
            "intel-rapl-mmio:0": "package-0",
        }.items()
        if not folder.startswith("intel-rapl-mmio")
    }
    domain(tmp_path, "intel-rapl-mmio:0", "package-0", 0)  # the same counter a second time
    meter = find_meter(root=tmp_path)
    assert meter.source == "RAPL package-0, dram-0"
    before = meter.read()
    for counter in counters.values():
        counter.write_text("3000000\n")
    assert meter.spent(before, meter.read()) == pytest.approx(2 * 2000.0)  # millijoules


def test_a_counter_that_wraps(tmp_path: Path):
    counter = domain(tmp_path, "intel-rapl:0", "package-0", 9_000_000, largest=10_000_000)
    meter = find_meter(root=tmp_path)
    before = meter.read()
    counter.write_text("500000\n")
    assert meter.spent(before, meter.read()) == pytest.approx(1500.0)


def test_idle_is_subtracted(tmp_path: Path):
    """Idle at 10 W; 50 calls in 5 s at 30 W are 3 J gross and 2 J net a call."""
    counter = domain(tmp_path, "intel-rapl:0", "package-0", 0)
    now, microjoules = 0.0, 0.0

    def passes(seconds: float, watts: float) -> None:
        nonlocal now, microjoules
        now += seconds
        microjoules += seconds * watts * 1e6
        counter.write_text(str(round(microjoules)))

    def work(seconds: float) -> int:
        passes(seconds, 30.0)
        return 50

    idled: list[float] = []

    def idle(seconds: float) -> None:
        idled.append(seconds)
        passes(seconds, 10.0)

    found = measure_energy(
        {"a": work, "b": work, "failed": lambda seconds: 0},
        find_meter(root=tmp_path),
        seconds=5.0,
        idle=idle,
        clock=lambda: now,
    )
    assert list(found) == ["a", "b"]
    assert idled == [5.0, 5.0]  # once before and once after all of them
    for energy in found.values():
        assert energy.idle_w == pytest.approx(10.0)
        assert energy.gross_mj == pytest.approx(3000.0)
        assert energy.net_mj == pytest.approx(2000.0)
        assert (energy.calls, energy.seconds) == (50, 5.0)


class NVMLError(Exception):
    pass


def nvml(monkeypatch: pytest.MonkeyPatch, energy: Any) -> None:
    monkeypatch.setattr(energy_module, "_uuid_by_torch", lambda: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    library = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=energy,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)


def test_an_accelerator_counts_millijoules(monkeypatch: pytest.MonkeyPatch):
    readings = iter([0, 1000, 1750])
    nvml(monkeypatch, lambda handle: next(readings))
    meter = find_meter("cuda")
    assert meter.source == "NVML device 0"
    assert meter.spent(meter.read(), meter.read()) == 750.0


def test_the_accelerator_is_the_first_that_cuda_sees(monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []
    nvml(monkeypatch, lambda handle: asked.append(handle) or 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert find_meter("cuda").source == "NVML device 3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b,GPU-a")
    assert find_meter("cuda").source == "NVML GPU-b"
    monkeypatch.setattr(energy_module, "_uuid_by_torch", lambda: "GPU-c")
    find_meter("cuda")
    assert asked == [3, "GPU-b", "GPU-c"]


def test_an_accelerator_whose_counter_fails_meanwhile(monkeypatch: pytest.MonkeyPatch):
    readings = iter([0])

    def once(handle: Any) -> int:
        try:
            return next(readings)
        except StopIteration:
            raise NVMLError("GPU is lost") from None

    nvml(monkeypatch, once)
    meter = find_meter("cuda")
    with pytest.raises(OSError, match="GPU is lost"):
        meter.read()


def test_an_accelerator_without_the_counter_says_so(monkeypatch: pytest.MonkeyPatch):
    def unsupported(handle: Any) -> int:
        raise NVMLError("Not Supported")

    nvml(monkeypatch, unsupported)
    with pytest.raises(MissingError, match="NVML gives no energy"):
        find_meter("cuda")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(MissingError, match=r"fleetfoot\[energy\]"):
        find_meter("cuda")
