"""How much faster counting bits is than float32: products, convolutions, whole networks.

Paper    Courbariaux, Hubara et al., 2016, arXiv:1602.02830: 3.4 times cuBLAS at 8192 cubed, the
         MNIST network 7 times; Bannink et al., MLSys 2021, arXiv:2011.09398: 8.5 to 18.5 times a
         convolution on a telephone's processor
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from fleetfoot.claims.binary_kernels.exact import signs
from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.timing import operator_ms, rows_of, times_as_long
from fleetfoot.core.machine_lock import measuring
from fleetfoot.core.seeds import rng, seed_everything
from fleetfoot.deploy.calibrate_norms import calibrate_norms
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.nets.create import create

SIDE = {"smoke": 128, "cpu": 2048}
# Channels and side of the maps of ResNet-18 at 224 pixels.
MAPS = {"smoke": ((64, 14),), "cpu": ((64, 56), (128, 28), (256, 14), (512, 7))}
Calls = Mapping[str, Callable[[], Any]]


def products(side: int) -> Calls:
    """Return calls of a product of two square matrices of signs; packing is part of the call."""
    from fleetfoot.kernels.packed_bits import pack_bytes, packed_product, words_of

    a, b = signs(side, side), signs(side, side)
    words = words_of(pack_bytes(b))
    left, right = torch.from_numpy(a), torch.from_numpy(b).T.contiguous()
    return {
        "float32": lambda: left @ right,
        "packed": lambda: packed_product(words_of(pack_bytes(a)), words, side),
    }


def convolutions(channels: int, side: int) -> Calls:
    """Return calls of a 3x3 convolution at batch 1; packing is part of the call."""
    from fleetfoot.kernels.packed_bits import PackedConv, pack_maps

    x, weight = signs(1, channels, side, side), signs(channels, channels, 3, 3)
    conv = PackedConv.of(weight, padding=1)
    tensors = torch.from_numpy(x), torch.from_numpy(weight)
    return {
        "float32": lambda: F.conv2d(*tensors, padding=1),
        "packed": lambda: conv(pack_maps(x)),
    }


@measured
def faster_product(setting: Setting, form: str) -> Measurement:
    """Return how many times as fast a form is as float32 in a product of matrices."""
    calls = products(SIDE[setting.scale])
    return _ratio({"float32": calls["float32"], form: calls[form]}, setting)


@measured
def slowest_convolution(setting: Setting, form: str) -> Measurement:
    """Return the least of the ratios of the convolutions of ResNet-18."""
    found = [
        _ratio({"float32": calls["float32"], form: calls[form]}, setting)
        for calls in (convolutions(*map_) for map_ in MAPS[setting.scale])
    ]
    worst = min(found, key=lambda one: one.value)
    rows = tuple(
        {"channels": channels, "side": side, "times_as_fast": one.value}
        for (channels, side), one in zip(MAPS[setting.scale], found)
    )
    return Measurement(value=worst.value, low=worst.low, high=worst.high, table=rows)


@measured
def faster_network(setting: Setting, form: str) -> Measurement:
    """Return how many times as fast a form of the MNIST network is as float32 in OpenVINO."""
    name = "bnn_mnist" if setting.scale == "smoke" else "bnn_mnist_4096"
    return _network(name, (1, 28, 28), form, setting)


def _network(name: str, image: tuple[int, int, int], form: str, setting: Setting) -> Measurement:
    from fleetfoot.passes.pack_binary import pack_binary

    seed_everything(0)
    net = calibrate_norms(create(name, in_chans=image[0]), image, batch=8).eval()
    x = rng("binary network").standard_normal((1, *image), dtype=np.float32)
    packed = pack_binary(net, image).net
    with tempfile.TemporaryDirectory(prefix="fleetfoot-") as folder:
        engine = open_engine(
            export_onnx(net, Path(folder) / "net.onnx", image=image), engine="openvino"
        )
    calls = {"float32": lambda: engine.run(x), "packed": lambda: packed(x)}
    return _ratio({"float32": calls["float32"], form: calls[form]}, setting)


def _ratio(calls: Calls, setting: Setting) -> Measurement:
    """Return how many times as long the first call takes as the last."""
    named = {f"{place} {name}": call for place, (name, call) in enumerate(calls.items())}
    if len(named) == 1:  # a form against itself
        named = {f"{place} float32": call for place in (0, 1) for call in calls.values()}
    with measuring(setting.listener):
        times = operator_ms(named, setting)
    first, *_, last = times.values()
    return times_as_long(first, last, table=rows_of(times, "form"))


ITSELF = "float32 against itself"
TIMED = (
    "One thread of this processor, in one process, blocks in turn, median of the rounds' ratios; "
    "packing is part of every call."
)
MEASURED = at_cpu("stand-in")
CLAIMS = (
    Claim(
        id="binarykernels/product",
        paper="arXiv:1602.02830, section 4: 3.4 times cuBLAS's float32, on a GPU",
        sentence="A product of matrices of signs is at least 3.4 times as fast by counting bits as "
        "in float32.",
        protocol=f"2048 cubed. {TIMED} Partly from 2 on.",
        unit="times as fast",
        paper_value=3.4,
        measure=faster_product("packed"),
        rule=at_least(3.4, 2.0),
        control=Control(ITSELF, faster_product("float32")),
        **MEASURED,
    ),
    Claim(
        id="binarykernels/convolutions",
        paper="arXiv:2011.09398: 8.5 to 18.5 times, on a telephone's processor",
        sentence="Each 3x3 convolution of ResNet-18 is at least 8.5 times as fast by counting bits "
        "as in float32.",
        protocol=f"Four shapes at batch 1; the least of their ratios. {TIMED} Partly from 3 on.",
        unit="times as fast, the least of four",
        paper_value=8.5,
        measure=slowest_convolution("packed"),
        rule=at_least(8.5, 3.0),
        control=Control(ITSELF, slowest_convolution("float32")),
        **MEASURED,
    ),
    Claim(
        id="binarykernels/mnist-network",
        paper="arXiv:1602.02830, section 4: 7 times the same network on a plain kernel, on a GPU",
        sentence="The MNIST network of 3 x 4096 is 7 times as fast with packed bits as without.",
        protocol=f"Batch 1, against its float32 form in OpenVINO, no plain kernel. {TIMED} Partly "
        "from 3 on.",
        unit="times as fast",
        paper_value=7.0,
        measure=faster_network("packed"),
        rule=at_least(7.0, 3.0),
        control=Control("OpenVINO's float32 against itself", faster_network("float32")),
        **MEASURED,
    ),
)
