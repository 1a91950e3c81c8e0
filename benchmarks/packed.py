"""Products of packed signs beside float32 in torch, one thread, interleaved; packing is counted.

    python benchmarks/packed.py [--quick] [--out DIR]

Three groups: square products of 1024 and 2048; the 4096 x 4096 layer of the MNIST perceptron at
batch 1 and 100; 3x3 convolutions of ResNet-18's shapes at batch 1. `packed` begins with float signs
and packs them in every call, `packed_bits` begins with what a layer before packed, float32 in torch
begins with float signs. All three give the same numbers, which is checked first.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from record import RESULTS, write_result

from fleetfoot.core.seeds import rng
from fleetfoot.kernels.packed_bits import (
    PackedConv,
    pack_bytes,
    pack_maps,
    packed_product,
    words_of,
)
from fleetfoot.measure.latency import Schedule, measure_interleaved
from fleetfoot.measure.provenance import provenance

SCHEDULE = Schedule(min_samples=30, min_seconds=1.0, rounds=10, warm_up_seconds=0.3)
QUICK = Schedule(min_samples=3, min_seconds=0.0, rounds=3, warm_up_seconds=0.05)
PRODUCTS = {"1024 cubed": (1024,) * 3, "2048 cubed": (2048,) * 3}
LAYERS = {"4096 x 4096, batch 1": (1, 4096, 4096), "4096 x 4096, batch 100": (100, 4096, 4096)}
CONVS = {
    f"{c} channels at {side}": (c, side) for c, side in ((64, 56), (128, 28), (256, 14), (512, 7))
}
Calls = dict[str, Callable[[], Any]]


def signs(*shape: int) -> np.ndarray:
    return np.where(rng("packed", *shape).standard_normal(shape) < 0, -1, 1).astype("f4")


def product(rows: int, columns: int, length: int) -> Calls:
    """M x O x K: float32, packed from floats, packed from bits."""
    a, b = signs(rows, length), signs(columns, length)
    words = words_of(pack_bytes(b))
    bits = words_of(pack_bytes(a))
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    return {
        "float32": lambda: F.linear(ta, tb).numpy(),
        "packed": lambda: packed_product(words_of(pack_bytes(a)), words, length),
        "packed_bits": lambda: packed_product(bits, words, length),
    }


def convolution(channels: int, side: int) -> Calls:
    """A 3x3 convolution of one image with a border of zeros."""
    x, weight = signs(1, channels, side, side), signs(channels, channels, 3, 3)
    conv, bits = PackedConv.of(weight, padding=1), pack_maps(x)
    tx = torch.from_numpy(x).contiguous(memory_format=torch.channels_last)
    tw = torch.from_numpy(weight).contiguous(memory_format=torch.channels_last)
    return {
        "float32": lambda: F.conv2d(tx, tw, padding=1).permute(0, 2, 3, 1).numpy(),
        "packed": lambda: conv(pack_maps(x)),
        "packed_bits": lambda: conv(bits),
    }


def compared(calls: Calls, macs: int, schedule: Schedule) -> dict[str, Any]:
    """Check that all give the same numbers, time them, and return times and ratios to float32."""
    results = [call() for call in calls.values()]
    if not all(np.array_equal(results[0], result) for result in results):
        raise SystemExit("packed and float32 differ: nothing was timed")
    times = measure_interleaved(calls, schedule)
    float32 = times["float32"].ms_p50
    return {
        name: {
            "ms_p50": latency.ms_p50,
            "ms_iqr": latency.ms_iqr,
            "gmacs_per_second": macs / latency.ms_p50 / 1e6,
            "times_as_fast": float32 / latency.ms_p50,
        }
        for name, latency in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="try it: the times mean nothing")
    parser.add_argument("--out", type=Path, default=RESULTS)
    words = parser.parse_args()
    torch.set_num_threads(1)
    started, schedule = provenance(), QUICK if words.quick else SCHEDULE
    figures: dict[str, Any] = {"threads": 1, "products": {}, "convolutions": {}}
    with torch.inference_mode():
        for name, (rows, columns, length) in (PRODUCTS | LAYERS).items():
            calls = product(rows, columns, length)
            figures["products"][name] = compared(calls, rows * columns * length, schedule)
        for name, (channels, side) in CONVS.items():
            calls = convolution(channels, side)
            macs = 9 * channels**2 * side**2
            figures["convolutions"][name] = compared(calls, macs, schedule)
    write_result("packed", __doc__.splitlines()[0], figures, started=started, folder=words.out)


if __name__ == "__main__":
    main()
