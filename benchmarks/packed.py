"""Products of packed signs beside float32 in torch, one thread, interleaved; packing is counted.

    python benchmarks/packed.py [--quick] [--out DIR]

Square products of 1024 and 2048; the 4096 x 4096 layer of the MNIST perceptron at batch 1 and 100;
3x3 convolutions of ResNet-18's shapes at batch 1. `packed` begins with float signs and packs them
in every call, `packed_bits` begins with what a layer before packed, float32 in torch begins with
float signs. All give the same numbers, which is checked first. Then whole networks, packed, in
float32 in both engines, and at batch 1 in int8; their norms fit noise, since the time does not
depend on them. There the first layer's sums are rounded in another order, and a sum that all but
meets a threshold may fall on the other side of it: `same` is the share of images whose logits
differ by less than a fifth of their deviation, of packed and the nearer float32; int8 is not
compared. Networks with shortcuts are there at batch 1.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from record import RESULTS, write_result

from fleetfoot.core.seeds import rng
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_int8 import export_int8
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.kernels.packed_bits import (
    PackedConv,
    pack_bytes,
    pack_maps,
    packed_product,
    words_of,
)
from fleetfoot.measure.latency import Schedule, measure_interleaved
from fleetfoot.measure.provenance import provenance
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.passes.pack_binary import pack_binary

SCHEDULE = Schedule(min_samples=30, min_seconds=1.0, rounds=10, warm_up_seconds=0.3)
QUICK = Schedule(min_samples=3, min_seconds=0.0, rounds=3, warm_up_seconds=0.05)
PRODUCTS = {"1024 cubed": (1024,) * 3, "2048 cubed": (2048,) * 3}
LAYERS = {"4096 x 4096, batch 1": (1, 4096, 4096), "4096 x 4096, batch 100": (100, 4096, 4096)}
CONVS = {
    f"{c} channels at {side}": (c, side) for c, side in ((64, 56), (128, 28), (256, 14), (512, 7))
}
LEAST_SAME = 0.9
TURNED = 0.2  # of the logits' deviation: what a sign that is turned may change
NETS = ("bnn_mnist_4096", "bnn_cifar10")
RESIDUAL = ("recu_resnet20", "recu_vgg_small", "recu_resnet18")
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


def whole(name: str, batch: int, folder: Path) -> Calls:
    """A network of bits: packed, and exported to float32 for both engines."""
    torch.manual_seed(0)
    shape = entry(name).input
    net = calibrate_norms(create(name, in_chans=shape[0]), shape, batch=16).eval()
    file = export_onnx(net, folder / f"{name}{batch}.onnx", image=shape, batch=batch)
    x = rng("packed", name).standard_normal((batch, *shape), dtype="f4")
    engines = {word: open_engine(file, engine=word) for word in ("openvino", "onnxruntime")}
    packed = pack_binary(net, shape).net
    calls: Calls = {
        f"{word} float32": lambda engine=engine: engine.run(x) for word, engine in engines.items()
    }
    calls |= {"packed": lambda: packed(x)}
    if batch == 1:
        noise = rng("packed", name, "int8").standard_normal((32, *shape), dtype="f4")
        small = export_int8(file, folder / f"{name}.int8.onnx", inputs=noise)
        for word in engines:
            engine = open_engine(small, engine=word, precision="int8")
            calls[f"{word} int8"] = lambda engine=engine: engine.run(x)
    return calls


def _alike(first: np.ndarray, other: np.ndarray, off: float) -> float:
    """Return the share of rows whose numbers are near each other."""
    near = np.isclose(first, other, rtol=1e-4, atol=off)
    return float(near.reshape(len(near), -1).all(axis=1).mean())


def compared(
    calls: Calls, macs: int, schedule: Schedule, *, tolerance: float = 1e-4
) -> dict[str, Any]:
    """Check that all give the same numbers, time them, and return times and ratios to the fastest
    float32.
    """
    numbers = {name: call() for name, call in calls.items() if "int8" not in name}
    plain = [np.asarray(found) for name, found in numbers.items() if "float32" in name]
    packed = [np.asarray(found) for name, found in numbers.items() if "float32" not in name]
    off = tolerance * max(1.0, float(np.std(plain[0])))
    same = min(max(_alike(bits, found, off) for found in plain) for bits in packed)
    if same < LEAST_SAME and tolerance < TURNED:  # of whole networks the record says how many
        raise SystemExit(f"packed and float32 agree in {same:.0%} of the rows: nothing was timed")
    times = measure_interleaved(calls, schedule)
    float32 = min(latency.ms_p50 for name, latency in times.items() if "float32" in name)
    return {"same": same} | {
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
    figures: dict[str, Any] = {"threads": 1, "products": {}, "convolutions": {}, "networks": {}}
    with torch.inference_mode():
        for name, (rows, columns, length) in (PRODUCTS | LAYERS).items():
            calls = product(rows, columns, length)
            figures["products"][name] = compared(calls, rows * columns * length, schedule)
        for name, (channels, side) in CONVS.items():
            calls = convolution(channels, side)
            macs = 9 * channels**2 * side**2
            figures["convolutions"][name] = compared(calls, macs, schedule)
        with tempfile.TemporaryDirectory(prefix="fleetfoot-packed-") as folder:
            for name, batch in (
                *itertools.product(NETS, (1, 100)),
                *((name, 1) for name in RESIDUAL),
            ):
                calls = whole(name, batch, Path(folder))
                macs = batch * entry(name).macs
                figures["networks"][f"{name}, batch {batch}"] = compared(
                    calls, macs, schedule, tolerance=TURNED
                )
    write_result("packed", __doc__.splitlines()[0], figures, started=started, folder=words.out)


if __name__ == "__main__":
    main()
