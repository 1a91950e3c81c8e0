"""Roofline: what this machine could do at best, measured on it, and how near a layer comes.

attainable = min(P, I * BW)        P GFLOP/s of a large product, BW GB/s of a triad, I FLOP/byte

Paper    Williams, Waterman and Patterson, "Roofline", 2009; ceilings measured as
         papers/measuring.md says: product of 4096-square matrices, triad over four times the last
         cache, smaller arrays for L3 and L2
Units    FLOPs are 2 x MACs; GB are 10**9 bytes; a triad a = b + s * c moves three arrays
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fleetfoot.core.errors import UsageError, first_line
from fleetfoot.core.listener import SILENT, Listener
from fleetfoot.core.machine_lock import measuring
from fleetfoot.measure.device import device_profile

if TYPE_CHECKING:
    from fleetfoot.measure.counts import Counts

PRECISIONS = ("float32", "bfloat16", "float16", "int8")
SIDE = 4096  # of the matrices; smaller ones do not reach the ceiling
REPEATS = 4
MOST_SECONDS = 2.0  # that one product may take
MOST_BYTES = 2 << 30  # that the triad may take


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """What the machine can do at best with this many threads.

    Attributes:
        threads: that computed.
        gflops: by precision; a precision that torch cannot multiply in is absent.
        gb_per_s: by where the arrays lay: "memory", and "L3" and "L2" where there are such caches.
        reasons: why a precision or a level is absent.
    """

    threads: int
    gflops: Mapping[str, float]
    gb_per_s: Mapping[str, float]
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])


def attainable_gflops(
    intensity: float, ceilings: Ceilings, *, precision: str = "float32", level: str = "memory"
) -> float | None:
    """Return the GFLOP/s that the roofline allows; None where a ceiling is not known.

    >>> roof = Ceilings(threads=1, gflops={"float32": 100.0}, gb_per_s={"memory": 10.0})
    >>> attainable_gflops(2.0, roof), attainable_gflops(50.0, roof)
    (20.0, 100.0)

    Args:
        intensity: FLOPs per byte moved.
        ceilings: of the machine.
        precision: of the multiplications.
        level: where the bytes come from.
    """
    if precision not in ceilings.gflops or level not in ceilings.gb_per_s:
        return None
    return min(ceilings.gflops[precision], intensity * ceilings.gb_per_s[level])


def estimate_ms(counts: "Counts", ceilings: Ceilings, *, precision: str = "float32") -> float:
    """Return the least time the roofline allows a network, operator by operator, in milliseconds.

    Each operator takes the longer of its FLOPs at the compute ceiling and its bytes at memory
    bandwidth; nothing overlaps. The counts must be of the bytes of that precision.

    Raises:
        UsageError: the ceilings know nothing of the precision or of memory.
    """
    times = [operator_ms(r.macs, r.bytes_moved, ceilings, precision) for r in counts.records]
    if None in times:
        known = ", ".join((*ceilings.gflops, *ceilings.gb_per_s))
        raise UsageError(f"no ceiling was measured for {precision} from memory: there is {known}")
    return sum(filter(None, times))


def operator_ms(
    macs: int, bytes_moved: int, ceilings: Ceilings, precision: str, level: str = "memory"
) -> float | None:
    """Return the least time of one operator, in milliseconds; None where a ceiling is not known.

    >>> roof = Ceilings(threads=1, gflops={"float32": 100.0}, gb_per_s={"memory": 10.0})
    >>> operator_ms(10**8, 10**6, roof, "float32"), operator_ms(0, 10**8, roof, "float32")
    (2.0, 10.0)
    """
    if precision not in ceilings.gflops or level not in ceilings.gb_per_s:
        return None
    return max(
        2 * macs / (1e6 * ceilings.gflops[precision]),
        bytes_moved / (1e6 * ceilings.gb_per_s[level]),
    )


def measure_ceilings(
    threads: int = 1,
    precisions: Sequence[str] = ("float32",),
    *,
    listener: Listener = SILENT,
    side: int = SIDE,
    most_bytes: int = MOST_BYTES,
) -> Ceilings:
    """Measure the ceilings in this process and return them.

    Each is the best of a few repeats: a ceiling is what can be reached, not what is usual.

    Args:
        threads: to compute with; torch's setting is put back afterwards.
        precisions: of `PRECISIONS`.
        listener: hears what is being done.
        side: of the square matrices.
        most_bytes: the triad's arrays take at most this much.

    Raises:
        UsageError: a precision that has no name here.
    """
    import torch

    from fleetfoot.measure.torch_settings import torch_threads

    for precision in precisions:
        if precision not in PRECISIONS:
            raise UsageError(f"{precision}: is not one of {', '.join(PRECISIONS)}")
    listener.stage(f"measuring the ceilings of {threads} thread{'s' if threads > 1 else ''}")
    with measuring(listener), torch_threads(threads), torch.inference_mode():
        gflops, reasons = _products(precisions, side)
        sizes = triad_bytes(device_profile().caches, threads, most_bytes)
        bandwidth = {level: _triad_gb_per_s(size) for level, size in sizes.items()}
        reasons |= _drop_disturbed(bandwidth)
    return Ceilings(threads=threads, gflops=gflops, gb_per_s=bandwidth, reasons=reasons)


def _drop_disturbed(gb_per_s: dict[str, float]) -> dict[str, str]:
    """Take out caches that were slower than memory, and return why."""
    slow = [level for level, rate in gb_per_s.items() if rate < gb_per_s["memory"]]
    for level in slow:
        del gb_per_s[level]
    return dict.fromkeys(slow, "slower than memory when it was measured: something disturbed it")


def triad_bytes(caches: Mapping[str, int], threads: int, most_bytes: int) -> dict[str, int]:
    """Return the size of the three arrays together, for memory and for the caches there are.

    Half of the L2 caches of the threads lies in L2; the geometric mean of L2 and L3 lies in L3 and
    not in L2; four times the largest cache lies in memory.
    """
    inner, outer = caches.get("L2", 0) * threads, caches.get("L3", 0)
    largest = max([*caches.values(), inner, 32 << 20])
    sizes = {"memory": min(4 * largest, most_bytes)}
    if outer > inner > 0:
        sizes["L3"] = min(round((inner * outer) ** 0.5), most_bytes)
    if inner:
        sizes["L2"] = inner // 2
    return sizes


def _products(precisions: Sequence[str], side: int) -> tuple[dict[str, float], dict[str, str]]:
    gflops: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for precision in dict.fromkeys(precisions):
        try:
            gflops[precision] = _product_gflops(precision, side)
        except (RuntimeError, NotImplementedError) as error:
            reasons[precision] = first_line(error)
    return gflops, reasons


def _product_gflops(precision: str, side: int) -> float:
    """Return the rate of a product; a small one where the processor has to emulate the precision.

    The whole product of such a precision would take minutes, and is no faster.
    """
    small = max(1, side // 8)
    expected = best_seconds(_product(precision, small), repeats=1) * (side / small) ** 3
    side = small if expected > MOST_SECONDS else side
    return 2 * side**3 / best_seconds(_product(precision, side)) / 1e9


def _product(precision: str, side: int) -> Callable[[], Any]:
    import torch

    if precision == "int8":
        whole = [torch.randint(-127, 128, (side, side), dtype=torch.int8) for _ in range(2)]
        # Transposed, the weights lie as a linear layer's do.
        return lambda: torch._int_mm(whole[0], whole[1].t())  # pyright: ignore[reportPrivateUsage]
    dtype = getattr(torch, precision)
    a, b = (torch.randn(side, side).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)


def _triad_gb_per_s(size: int) -> float:
    """Return the bandwidth of a = b + 2 c over three float32 arrays of ``size`` bytes together."""
    import torch

    elements = max(1, size // 12)
    a, b, c = (torch.ones(elements) for _ in range(3))
    # A small array is run over many times, so that the call and the clock do not count.
    rounds = max(1, (64 << 20) // size)

    def triad() -> None:
        for _ in range(rounds):
            torch.add(b, c, alpha=2.0, out=a)

    return 12 * elements * rounds / best_seconds(triad) / 1e9


def best_seconds(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the shortest time of a few calls, in seconds, after one that is not counted."""
    call()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
