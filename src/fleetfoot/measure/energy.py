"""Energy from counters that the machine really has: RAPL of the processor, NVML of an accelerator.

Without a counter there is no figure, only the reason. Nothing is estimated from a power rating.

Source   papers/measuring.md, "Energy"; kernel documentation `power/powercap/powercap.rst`
RAPL     domains overlap: psys holds the package, the package holds core and uncore. Read are the
         packages and, beside them, DRAM; nothing that lies within another. A counter wraps at
         `max_energy_range_uj`
Idle     power is read before and after the work, and idle energy is subtracted: the net figure
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fleetfoot.core.errors import MissingError, require

SECONDS = 10.0  # of work, and of idling before and after it


class Meter(Protocol):
    """A counter of energy.

    Attributes:
        source: what is read, such as "RAPL package-0".
    """

    source: str

    def read(self) -> Mapping[str, float]:
        """Return the counters in millijoules; each may wrap."""
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

    def __init__(self, library: Any, index: int) -> None:
        self._library = library
        self._handle = library.nvmlDeviceGetHandleByIndex(index)
        self.source = f"NVML device {index}"
        self.read()  # an old device has no such counter: say so now

    def read(self) -> Mapping[str, float]:
        return {"device": float(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle))}

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


def measure_energy(
    run: Callable[[float], int],
    meter: Meter,
    *,
    seconds: float = SECONDS,
    idle: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.perf_counter,
) -> Energy:
    """Return the energy of the calls that ``run`` makes.

    Args:
        run: works for so many seconds and returns how many calls it made.
        meter: what to read.
        seconds: of work, and of idling before and after; 10 or more, since counters are slow.
        idle: does nothing for so many seconds.
        clock: seconds that pass.
    """
    idle_mj, idle_seconds = _during(meter, clock, lambda: idle(seconds))
    calls = 0

    def work() -> None:
        nonlocal calls
        calls = run(seconds)

    gross_mj, work_seconds = _during(meter, clock, work)
    later_mj, later_seconds = _during(meter, clock, lambda: idle(seconds))
    idle_w = (idle_mj + later_mj) / (idle_seconds + later_seconds) / 1000
    calls = max(calls, 1)
    return Energy(
        gross_mj=gross_mj / calls,
        net_mj=(gross_mj - 1000 * idle_w * work_seconds) / calls,
        idle_w=idle_w,
        calls=calls,
        seconds=work_seconds,
        source=meter.source,
    )


def _during(
    meter: Meter, clock: Callable[[], float], work: Callable[[], None]
) -> tuple[float, float]:
    """Return the millijoules and the seconds that pass during some work."""
    before, start = meter.read(), clock()
    work()
    return meter.spent(before, meter.read()), clock() - start


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
        return Nvml(library, 0)
    except library.NVMLError as error:
        raise MissingError(f"NVML gives no energy ({error})") from error
