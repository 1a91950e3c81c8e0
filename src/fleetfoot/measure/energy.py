"""Energy from counters that the machine really has: RAPL of the processor, NVML of an accelerator.

Without a counter there is no figure, only the reason. Nothing is estimated from a power rating.

Source   papers/measuring.md, "Energy"; kernel documentation `power/powercap/powercap.rst`
RAPL     domains overlap: psys holds the package, the package holds core and uncore. Read are the
         packages and, beside them, DRAM; nothing that lies within another. A counter wraps at
         `max_energy_range_uj`
Idle     power is read before the first work and after the last, and idle energy is subtracted: the
         net figure
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fleetfoot.core.errors import MissingError, require
from fleetfoot.core.machine_lock import measuring

SECONDS = 10.0  # of work, and of idling before and after it
T = TypeVar("T")


class Meter(Protocol):
    """A counter of energy.

    Attributes:
        source: what is read, such as "RAPL package-0".
    """

    source: str

    def read(self) -> Mapping[str, float]:
        """Return the counters in millijoules; each may wrap.

        Raises:
            OSError: a counter is no longer there; ValueError: it says nonsense.
        """
        ...

    def spent(self, before: Mapping[str, float], after: Mapping[str, float]) -> float:
        """Return the millijoules between two readings, all counters together."""
        ...


@dataclass(frozen=True, kw_only=True)
class Energy:
    """What some calls took.

    Attributes:
        gross_mj: everything that the counters saw, per call, in millijoules.
        net_mj: the same without what the machine takes when idle, per call.
        idle_w: power when idle, in watts.
        calls: calls behind the figure.
        seconds: that they took.
        source: the counters.
    """

    gross_mj: float
    net_mj: float
    idle_w: float
    calls: int
    seconds: float
    source: str


@dataclass(frozen=True)
class _Domain:
    name: str
    counter: Path
    range_mj: float


class Rapl:
    """The packages of this machine and their memory, through powercap."""

    def __init__(self, domains: tuple[_Domain, ...]) -> None:
        self._domains = domains
        self.source = "RAPL " + ", ".join(domain.name for domain in domains)

    def read(self) -> Mapping[str, float]:
        return {d.name: int(d.counter.read_text()) / 1000 for d in self._domains}

    def spent(self, before: Mapping[str, float], after: Mapping[str, float]) -> float:
        return sum(_unwrapped(before[d.name], after[d.name], d.range_mj) for d in self._domains)


class Nvml:
    """The energy counter of one NVIDIA device, from Volta on."""

    def __init__(self, library: Any, handle: Any, name: str) -> None:
        self._library = library
        self._handle = handle
        self.source = f"NVML {name}"
        self.read()  # an old device has no such counter: say so now

    def read(self) -> Mapping[str, float]:
        try:
            energy = self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        except self._library.NVMLError as error:
            raise OSError(str(error)) from error
        return {"device": float(energy)}

    def spent(self, before: Mapping[str, float], after: Mapping[str, float]) -> float:
        return after["device"] - before["device"]


def find_meter(device: str = "cpu", *, root: Path | str = "/") -> Meter:
    """Return the energy counter of a device.

    Args:
        device: "cpu" or "cuda".
        root: where ``sys`` is; a test gives a folder of its own.

    Raises:
        MissingError: there is none that can be read; the message is the reason.
    """
    return _nvml() if device == "cuda" else _rapl(Path(root))


@measuring()
def measure_energy(
    works: Mapping[str, Callable[[float], int]],
    meter: Meter,
    *,
    seconds: float = SECONDS,
    idle: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Energy]:
    """Return the energy of the calls that each work makes, one work after the other, by name.

    Args:
        works: each works for this many seconds and returns how many calls it made; one that made
            none has failed and is left out.
        meter: what to read.
        seconds: of each work, and of idling before the first and after the last; 10 or more, since
            counters are slow.
        idle: does nothing for this many seconds.
        clock: seconds that pass.

    Raises:
        OSError: the counter is no longer there.
        ValueError: it says nonsense.
    """
    _, before_mj, before_seconds = _during(meter, clock, idle, seconds)
    spent = {name: _during(meter, clock, work, seconds) for name, work in works.items()}
    _, after_mj, after_seconds = _during(meter, clock, idle, seconds)
    idle_w = (before_mj + after_mj) / (before_seconds + after_seconds) / 1000
    return {
        name: Energy(
            gross_mj=gross_mj / calls,
            net_mj=(gross_mj - 1000 * idle_w * work_seconds) / calls,
            idle_w=idle_w,
            calls=calls,
            seconds=work_seconds,
            source=meter.source,
        )
        for name, (calls, gross_mj, work_seconds) in spent.items()
        if calls
    }


def _during(
    meter: Meter, clock: Callable[[], float], work: Callable[[float], T], seconds: float
) -> tuple[T, float, float]:
    """Return what some work returns, and the millijoules and seconds that pass during it."""
    before, start = meter.read(), clock()
    result = work(seconds)
    return result, meter.spent(before, meter.read()), clock() - start


def _unwrapped(before: float, after: float, counter_range: float) -> float:
    return after - before if after >= before else after - before + counter_range


def _rapl(root: Path) -> Rapl:
    folders = sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
    if not folders:
        raise MissingError("this device has no energy counter (no powercap domain)")
    kept = [folder for folder in folders if _stands_alone(folder)]
    try:
        domains = tuple(_domain(folder) for folder in kept)
    except PermissionError as error:
        raise MissingError(
            f"{error.filename}: may not be read by this user; run as root or make it readable"
        ) from error
    except (OSError, ValueError) as error:
        raise MissingError(f"the energy counter cannot be read ({error})") from error
    if not domains:
        raise MissingError("powercap has no package domain")
    return Rapl(domains)


def _stands_alone(folder: Path) -> bool:
    """Whether a domain lies in no other that is read: a package, or the memory beside it."""
    name = _name(folder)
    return name.startswith("package") or name == "dram"


def _domain(folder: Path) -> _Domain:
    counter = folder / "energy_uj"
    int(counter.read_text())
    package = folder.name.split(":")[1]
    name = _name(folder)
    largest = int((folder / "max_energy_range_uj").read_text()) / 1000
    # Every package of a server has a domain called dram.
    return _Domain(f"{name}-{package}" if name == "dram" else name, counter, largest)


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except OSError:
        return ""


def _nvml() -> Nvml:
    library = require("pynvml", extra="energy")
    try:
        library.nvmlInit()
        return Nvml(library, *_first_visible(library))
    except (library.NVMLError, OSError) as error:
        raise MissingError(f"NVML gives no energy ({error})") from error


def _first_visible(library: Any) -> tuple[Any, str]:
    """Return the handle and the name of the device that CUDA calls 0.

    CUDA and NVML number devices in different orders, and `CUDA_VISIBLE_DEVICES` renumbers CUDA's:
    the identity that torch gives is the same in both.
    """
    named = _uuid_by_torch() or os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
    if named and not named.isdecimal():
        return library.nvmlDeviceGetHandleByUUID(named), named
    index = int(named or 0)
    return library.nvmlDeviceGetHandleByIndex(index), f"device {index}"


def _uuid_by_torch() -> str | None:
    try:
        import torch

        if not torch.cuda.is_available():
            return None
        return f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    except (ImportError, AttributeError, RuntimeError):  # no torch, or one that does not tell
        return None
