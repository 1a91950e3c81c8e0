"""VoVNet: is it faster than DenseNet and ResNet of its accuracy, at more multiply-accumulates?

Paper    Lee et al., 2019, arXiv:1904.09730, Table 4 (RefineDet320) and Table 3 (1x1 bottleneck)
Departs  backbones with their classifier at 320 x 320 instead of detectors
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from torch import nn

from fleetfoot.claims.claim import Claim, Measurement, Setting, at_least, at_least_ratio
from fleetfoot.claims.osa_forms import bottlenecked, joined_at_every_layer
from fleetfoot.claims.timing import Image, native, network_ms
from fleetfoot.core.seeds import seed_everything
from fleetfoot.measure.counts import count
from fleetfoot.nets.vovnet import V27_SLIM, VoVNet

Row = Mapping[str, Any]
Rows = tuple[Row, ...]

IMAGE = {"smoke": (3, 64, 64), "cpu": (3, 320, 320), "gpu": (3, 320, 320)}
FIRST, SECOND = ("densenet201", "resnet50", "vovnet39"), ("densenet161", "vovnet57")


@cache
def timed(names: tuple[str, ...], every_layer: bool, scale: str, device: str) -> Rows:
    """Return rows of time, work and rate of networks measured side by side.

    Args:
        names: of networks; measured once in a process, however many claims ask.
        every_layer: VoVNets join at every layer instead of once.
        scale: see `Setting`.
        device: see `Setting`.
    """
    setting = Setting(scale=scale, device=device)  # pyright: ignore[reportArgumentType]
    nets = {name: native(name) for name in names}
    if every_layer:
        forms = {n: joined_at_every_layer(net) for n, net in nets.items() if n.startswith("vov")}
        nets |= forms
    return rows_of(nets, IMAGE[scale], setting)


def rows_of(
    nets: Mapping[str, nn.Module], image: Image | Mapping[str, Image], setting: Setting
) -> Rows:
    """Return rows of time, work and rate of networks, measured side by side.

    Args:
        nets: by name.
        image: shape of one input, of all networks or by name.
        setting: gives scale and device.
    """
    times = network_ms(nets, image, setting)
    images = image if isinstance(image, Mapping) else dict.fromkeys(nets, image)
    macs = {name: count(net, images[name]).macs for name, net in nets.items()}
    return tuple(
        {
            "network": name,
            "macs": macs[name],
            "latency_ms_p50": latency.ms_p50,
            "latency_ms_iqr": latency.ms_iqr,
            "gflops": 2 * macs[name] / latency.ms_p50 / 1e6,
        }
        for name, latency in times.items()
    )


def ratio(
    key: str, over: str, under: str, names: tuple[str, ...], *, every_layer: bool = False
) -> Callable[[Setting], Measurement]:
    """Return the measurement of one network's figure ``key`` over another's."""

    def measured(setting: Setting) -> Measurement:
        rows = timed(names, every_layer, setting.scale, setting.device)
        by_name = {row["network"]: row[key] for row in rows}
        return Measurement(value=by_name[over] / by_name[under], table=rows)

    return measured


def _speed(slow: str, fast: str, paper: float, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "paper": "arXiv:1904.09730, Table 4",
        "protocol": PROTOCOL,
        "unit": f"time of {slow} / time of {fast}",
        "paper_value": paper,
        "measure": ratio("latency_ms_p50", slow, fast, names),
        "verdict": at_least_ratio(paper),
        "control": ratio("latency_ms_p50", slow, fast, names, every_layer=True),
        "control_sentence": "VoVNet joins its maps at every layer instead of once",
        "scales": ("smoke", "cpu", "gpu"),
    }


SIDES = {"smoke": (8, 4, 2, 2), "cpu": (75, 37, 18, 9), "gpu": (75, 37, 18, 9)}
SHALLOW = replace(V27_SLIM, layers=3)  # the work of five layers with bottlenecks, within 1 %


def osa_modules(net: nn.Module, sides: tuple[int, ...]) -> dict[str, tuple[nn.Module, Image]]:
    """Return the OSA modules of VoVNet-27-slim by stage, each with the shape of its map."""
    stages = net.get_submodule("stages").children()
    blocks = [stage.get_submodule("blocks") for stage in stages]
    widths = [next(block.parameters()).shape[1] for block in blocks]
    shapes = [(width, side, side) for width, side in zip(widths, sides, strict=True)]
    return {f"stage {n}": pair for n, pair in enumerate(zip(blocks, shapes), start=2)}


def time_of_modules(form: Callable[[], nn.Module]) -> Callable[[Setting], Measurement]:
    """Return the measurement of the time of a form's OSA modules over that of the published."""

    def measured(setting: Setting) -> Measurement:
        seed_everything(0)
        forms = {"published": _published(), "changed": form()}
        nets: dict[str, nn.Module] = {}
        images: dict[str, Image] = {}
        for name, net in forms.items():
            for stage, (block, shape) in osa_modules(net, SIDES[setting.scale]).items():
                nets[f"{name}, {stage}"], images[f"{name}, {stage}"] = block.eval(), shape
        rows = rows_of(nets, images, setting)
        ms = {
            name: sum(row["latency_ms_p50"] for row in rows if row["network"].startswith(name))
            for name in forms
        }
        return Measurement(value=ms["changed"] / ms["published"], table=rows)

    return measured


def _published() -> nn.Module:
    return VoVNet(V27_SLIM, 0)


PROTOCOL = (
    "Backbones with classifier at 320 x 320, batch 1, torch eager, float32, unfolded; on the CPU "
    "one thread, a fresh pinned process each, alternating blocks; medians. The paper has frames "
    "per second of RefineDet320 on a TITAN X. Partly from half of the paper's gain."
)

CLAIMS = (
    Claim(
        id="vovnet/speed-densenet201",
        sentence="VoVNet-39 is 2.08 times as fast as DenseNet-201, at more work.",
        **_speed("densenet201", "vovnet39", 2.08, FIRST),
    ),
    Claim(
        id="vovnet/speed-resnet50",
        sentence="VoVNet-39 is 1.08 times as fast as ResNet-50, at more work.",
        **_speed("resnet50", "vovnet39", 1.08, FIRST),
    ),
    Claim(
        id="vovnet/speed-densenet161",
        sentence="VoVNet-57 is 1.66 times as fast as DenseNet-161, at more work.",
        **_speed("densenet161", "vovnet57", 1.66, SECOND),
    ),
    Claim(
        id="vovnet/computation-efficiency",
        paper="arXiv:1904.09730, Table 4",
        sentence="VoVNet-39 computes at 2.75 times the rate of DenseNet-201.",
        protocol=PROTOCOL.replace("frames per second", "work per second"),
        unit="FLOPS of VoVNet-39 / FLOPS of DenseNet-201",
        paper_value=2.75,
        measure=ratio("gflops", "vovnet39", "densenet201", FIRST),
        verdict=at_least_ratio(2.75),
        control=ratio("gflops", "densenet169", "densenet201", ("densenet169", "densenet201")),
        control_sentence="in VoVNet's place a densely connected network of two thirds the depth",
        scales=("smoke", "cpu", "gpu"),
    ),
    Claim(
        id="vovnet/bottleneck-time",
        paper="arXiv:1904.09730, Table 3",
        sentence="A 1x1 bottleneck before each 3x3 convolution of OSA lowers the work and yet "
        "takes longer.",
        protocol="The four OSA modules of VoVNet-27-slim on their maps at 300 x 300, without stem "
        "and pooling, which no bottleneck changes; sum of medians. Batch 1, torch eager, float32; "
        "on the CPU one thread, a fresh pinned process each, alternating blocks. Bottlenecks leave "
        "0.68 of the work; partly from 0.84 of the time, half of the saving. The paper times a "
        "detector on a TITAN X; its figure is not known to us.",
        unit="time with bottlenecks / time without",
        paper_value=None,
        measure=time_of_modules(lambda: bottlenecked(_published())),
        verdict=at_least(1.0, 0.84),
        control=time_of_modules(lambda: VoVNet(SHALLOW, 0)),
        control_sentence="the same work is saved by leaving out two of the five layers of a module",
        scales=("smoke", "cpu", "gpu"),
    ),
)
