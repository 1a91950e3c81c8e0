"""VoVNet: is it faster than DenseNet and ResNet of its accuracy, at more multiply-accumulates?

Paper    Lee et al., 2019, arXiv:1904.09730, Table 4 (RefineDet320) and Table 3 (1x1 bottleneck)
Departs  backbones with their classifier at 320 x 320 instead of detectors; the paper times a GPU
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Needs, Setting, measured
from fleetfoot.claims.rules import at_least, at_least_ratio
from fleetfoot.claims.shared import shared
from fleetfoot.claims.timing import Image, Rows, columns, median_ratio, native, network_ms, round_ms
from fleetfoot.claims.vovnet.osa_forms import bottlenecked, joined_for_equal_work
from fleetfoot.core.seeds import seed_everything
from fleetfoot.measure.counts import count
from fleetfoot.measure.latency import Latency
from fleetfoot.nets.vovnet import V27_SLIM, VoVNet

IMAGE = (3, 320, 320)
SMOKE_IMAGE = (3, 64, 64)
FIRST, SECOND = ("densenet201", "resnet50", "vovnet39"), ("densenet161", "vovnet57")


class Timed(NamedTuple):
    """A network with its work, timed beside others."""

    macs: int
    latency: Latency

    def ms(self) -> list[float]:
        """Return how long a call takes, in each round."""
        return round_ms(self.latency)

    def ns_per_mac(self) -> list[float]:
        """Return how long a multiply-accumulate takes, in each round."""
        return [1e6 * ms / self.macs for ms in self.ms()]


@shared
def timed(names: tuple[str, ...], every_layer: bool, setting: Setting) -> dict[str, Timed]:
    """Return networks measured side by side; once in a process, however many claims ask.

    Args:
        names: of networks.
        every_layer: VoVNets join at every layer instead of once, for the same work.
        setting: gives scale and device.
    """
    nets = {name: native(name) for name in names}
    if every_layer:
        forms = {n: joined_for_equal_work(net) for n, net in nets.items() if n.startswith("vov")}
        nets |= forms
    image = SMOKE_IMAGE if setting.scale == "smoke" else IMAGE
    return side_by_side(nets, dict.fromkeys(nets, image), setting)


def side_by_side(
    nets: Mapping[str, nn.Module], images: Mapping[str, Image], setting: Setting
) -> dict[str, Timed]:
    """Return networks measured side by side, each on one input of its shape."""
    times = network_ms(nets, images, setting)
    return {n: Timed(count(net, images[n]).macs, times[n]) for n, net in nets.items()}


def table(found: Mapping[str, Timed]) -> Rows:
    """Return a row of work, time and rate for each network."""
    return tuple(
        {
            "network": name,
            "macs": one.macs,
            **columns(one.latency),
            "gflops": 2 * one.macs / one.latency.ms_p50 / 1e6,
        }
        for name, one in found.items()
    )


@measured
def times_as_slow(
    setting: Setting,
    slow: str,
    fast: str,
    names: tuple[str, ...],
    *,
    each: Callable[[Timed], list[float]] = Timed.ms,
    every_layer: bool = False,
) -> Measurement:
    """Return how many times as long a call of one network takes as of another.

    Args:
        slow: name of the one.
        fast: name of the other.
        names: of all that are timed beside each other.
        each: what takes long, by rounds; `Timed.ns_per_mac` compares rates of work.
        every_layer: see `timed`.
    """
    found = timed(names, every_layer, setting)
    return median_ratio(each(found[slow]), each(found[fast]), table=table(found))


def _speed(slow: str, fast: str, paper: float, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "paper": "arXiv:1904.09730, Table 4",
        "protocol": PROTOCOL,
        "unit": f"time of {slow} / time of {fast}",
        "paper_value": paper,
        "measure": times_as_slow(slow, fast, names),
        "rule": at_least_ratio(paper),
        "control": Control(
            "VoVNet joins its maps at every layer instead of once, its layers so much narrower "
            "that the work is the same within 2 %",
            times_as_slow(slow, fast, names, every_layer=True),
        ),
        **ON_CPU,
    }


SIDES, SMOKE_SIDES = (75, 37, 18, 9), (8, 4, 2, 2)  # of the maps of each stage
SHALLOW = replace(V27_SLIM, layers=3)  # the work of five layers with bottlenecks, within 1 %


def osa_modules(net: nn.Module, sides: tuple[int, ...]) -> dict[str, tuple[nn.Module, Image]]:
    """Return the OSA modules of VoVNet-27-slim by stage, each with the shape of its map."""
    stages = net.get_submodule("stages").children()
    blocks = [stage.get_submodule("blocks") for stage in stages]
    widths = [next(block.parameters()).shape[1] for block in blocks]
    shapes = [(width, side, side) for width, side in zip(widths, sides, strict=True)]
    return {f"stage {n}": pair for n, pair in enumerate(zip(blocks, shapes), start=2)}


@measured
def time_of_modules(setting: Setting, form: Callable[[], nn.Module]) -> Measurement:
    """Return the time of a form's OSA modules over that of the published."""
    seed_everything(0)
    sides = SMOKE_SIDES if setting.scale == "smoke" else SIDES
    forms = {"published": _published(), "changed": form()}
    nets: dict[str, nn.Module] = {}
    images: dict[str, Image] = {}
    for name, net in forms.items():
        for stage, (block, shape) in osa_modules(net, sides).items():
            nets[f"{name}, {stage}"], images[f"{name}, {stage}"] = block.eval(), shape
    found = side_by_side(nets, images, setting)

    def of_rounds(form: str) -> list[float]:
        parts = [one.ms() for n, one in found.items() if n.startswith(form)]
        return [sum(of_round) for of_round in zip(*parts)]

    return median_ratio(of_rounds("changed"), of_rounds("published"), table=table(found))


def _published() -> nn.Module:
    return VoVNet(V27_SLIM, 0)


PROTOCOL = (
    "Backbones with classifier at 320 x 320, batch 1, torch eager, float32, unfolded; on the CPU "
    "one thread, a fresh pinned process each, alternating blocks; median of the rounds' ratios. "
    "The paper has frames per second of RefineDet320 on a TITAN X. Partly from half of the paper's "
    "gain."
)
ON_CPU: dict[str, Any] = {"footing": {"cpu": "stand-in"}}  # the paper's is a GPU
ON_GPU: dict[str, Any] = {
    "footing": {"gpu": "scaled"},  # backbones, not detectors
    "needs": Needs(device="cuda"),
    "decides_at": ("gpu",),
}
FIGURES_OF_A_GPU = (
    Claim(
        id="vovnet/speed-densenet201",
        sentence="On a GPU VoVNet-39 is 2.08 times as fast as DenseNet-201, at more work.",
        **_speed("densenet201", "vovnet39", 2.08, FIRST),
    ),
    Claim(
        id="vovnet/speed-resnet50",
        sentence="On a GPU VoVNet-39 is 1.08 times as fast as ResNet-50, at more work.",
        **_speed("resnet50", "vovnet39", 1.08, FIRST),
    ),
    Claim(
        id="vovnet/speed-densenet161",
        sentence="On a GPU VoVNet-57 is 1.66 times as fast as DenseNet-161, at more work.",
        **_speed("densenet161", "vovnet57", 1.66, SECOND),
    ),
    Claim(
        id="vovnet/computation-efficiency",
        paper="arXiv:1904.09730, Table 4",
        sentence="On a GPU VoVNet-39 computes at 2.75 times the rate of DenseNet-201.",
        protocol=PROTOCOL.replace("frames per second", "work per second"),
        unit="FLOPS of VoVNet-39 / FLOPS of DenseNet-201",
        paper_value=2.75,
        measure=times_as_slow("densenet201", "vovnet39", FIRST, each=Timed.ns_per_mac),
        rule=at_least_ratio(2.75),
        control=Control(
            "in VoVNet's place a densely connected network of two thirds the depth",
            times_as_slow(
                "densenet201",
                "densenet169",
                ("densenet169", "densenet201"),
                each=Timed.ns_per_mac,
            ),
        ),
        **ON_CPU,
    ),
    Claim(
        id="vovnet/bottleneck-time",
        paper="arXiv:1904.09730, Table 3",
        sentence="On a GPU a 1x1 bottleneck before each 3x3 convolution of OSA lowers the work and "
        "yet takes longer.",
        protocol="The four OSA modules of VoVNet-27-slim on their maps at 300 x 300, without stem "
        "and pooling, which no bottleneck changes; sums over modules, median of the rounds' "
        "ratios. Batch 1, torch eager, float32; on the CPU one thread, a fresh pinned process "
        "each, alternating blocks. Bottlenecks leave 0.68 of the work; partly from 0.84 of the "
        "time, half of the saving. The paper times a detector on a TITAN X; its "
        "figure is not known to us.",
        unit="time with bottlenecks / time without",
        measure=time_of_modules(lambda: bottlenecked(_published())),
        rule=at_least(1.0, 0.84),
        control=Control(
            "the same work is saved by leaving out two of the five layers of a module",
            time_of_modules(lambda: VoVNet(SHALLOW, 0)),
        ),
        **ON_CPU,
    ),
)


NO_FIGURE = " This is a CPU, for which the paper gives no figure."
CLAIMS = tuple(
    claim
    for one in FIGURES_OF_A_GPU
    for claim in (
        replace(one, protocol=one.protocol + NO_FIGURE),
        replace(one, id=f"{one.id}-gpu", **ON_GPU),
    )
)
