"""FPLUS and PFPLUS: as accurate as ELU, learnt forms, and cheaper than an exponential.

Paper    Duan, Yang, Dai, 2021, arXiv:2111.14349; its tables could not be read
Letters  N images, C channels, H height, W width
"""

import shutil
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Scale, Setting, measured
from fleetfoot.claims.comparison import Comparison, Effort
from fleetfoot.claims.plain_recipe import plain_recipe
from fleetfoot.claims.rules import at_least, at_most
from fleetfoot.claims.timing import rows_of, schedule_of, times_as_long, waited
from fleetfoot.claims.training import is_smoke
from fleetfoot.core.errors import MissingError
from fleetfoot.core.surgery import swap_modules
from fleetfoot.measure.latency import Latency, measure_interleaved
from fleetfoot.measure.torch_settings import denormals_flushed, torch_threads
from fleetfoot.nets.exchanges import swap_activations
from fleetfoot.nets.resnet_cifar import ResNetCifar, ResNetCifarSpec
from fleetfoot.ops.fplus import fplus

Pointwise = Callable[[Tensor], Tensor]

LINEAR = "none"
SHAPE = (64, 64, 56, 56)  # of the map that is timed
SMOKE_SHAPE = (2, 8, 14, 14)


def network(activation: str, scale: Scale) -> nn.Module:
    """Return a ResNet-8 (a ResNet-20 at full scale) with an activation, or none at all."""
    blocks = 3 if scale in ("long", "gpu") else 1
    net = ResNetCifar(ResNetCifarSpec(blocks=blocks, channels=(16, 32, 64)), 10)
    if activation == LINEAR:
        return swap_modules(net, (nn.ReLU,), lambda *_: nn.Identity()).model
    return swap_activations(net, activation).model


ACTIVATIONS = Comparison(
    network=network,
    recipe=plain_recipe(
        batch=64,
        optimizer="sgd",
        schedule="cosine",
        lr=0.1,
        weight_decay=5e-4,
        warmup=0.1,
        augment={"crop": "pad", "pad": 4, "flip": 0.5},
    ),
    efforts={
        "cpu": Effort(seeds=3, epochs=5, size=32, train_images=4000, test_images=4000),
        "long": Effort(seeds=5, epochs=30, size=32),
        "gpu": Effort(seeds=5, epochs=30, size=32),
    },
)


@measured
def time_over_elu(setting: Setting, name: str, function: Pointwise) -> Measurement:
    """Return an activation's time over ELU's, forward and backward, compiled."""
    shape = SMOKE_SHAPE if is_smoke(setting) else SHAPE
    functions: dict[str, Pointwise] = {name: function, "elu": F.elu, "relu": F.relu}
    calls = {f"{n}, eager": both_ways(f, shape, setting) for n, f in functions.items()}
    form = "eager"
    if not is_smoke(setting):
        form = "compiled"
        calls |= {
            f"{n}, compiled": both_ways(_compiled(f, setting), shape, setting)
            for n, f in functions.items()
        }
    times = _timed(calls, setting)
    table = rows_of(times, "activation")
    return times_as_long(times[f"{name}, {form}"], times[f"elu, {form}"], table=table)


def both_ways(function: Pointwise, shape: tuple[int, ...], setting: Setting) -> Callable[[], Any]:
    """Return a call of an activation and of its gradient, on normal values."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).to(setting.device).requires_grad_()
    ones = torch.ones(shape, device=setting.device)
    return lambda: torch.autograd.grad(function(x), x, ones)


def again(x: Tensor) -> Tensor:
    """Return ELU, as another function."""
    return F.elu(x)


def _compiled(function: Pointwise, setting: Setting) -> Pointwise:
    if setting.device == "cpu" and not shutil.which("g++"):
        raise MissingError("fplus/cheaper-than-elu fuses operators: it needs g++")
    return torch.compile(function)


def _timed(calls: dict[str, Callable[[], Any]], setting: Setting) -> dict[str, Latency]:
    with torch_threads(1), denormals_flushed():
        for call in calls.values():
            call()
        waiting = {name: waited(call, setting.device) for name, call in calls.items()}
        return measure_interleaved(waiting, schedule_of(setting))


PAPER = "arXiv:2111.14349"
PROTOCOL = (
    "A ResNet-8 on CIFAR-10, every activation exchanged, the same recipe for all; at the "
    "long and gpu scales a ResNet-20, about half an hour on an accelerator. The paper's tables "
    "could not be read. {}"
)

TRAININGS: dict[str, Any] = {
    "needs": ACTIVATIONS.needs(),
    "footing": {"cpu": "stand-in", "long": "scaled", "gpu": "scaled"},
}

CLAIMS = (
    Claim(
        id="fplus/against-elu",
        paper=PAPER,
        sentence="FPLUS is as accurate as ELU, or more.",
        protocol=PROTOCOL.format(
            "The value is by how many points FPLUS errs less. Reproduced down to 0.5 points worse, "
            "partly down to 1: what would be an error of ours begins there."
        ),
        unit="points",
        measure=ACTIVATIONS.gain("elu", "fplus"),
        rule=at_least(-0.5, -1.0),
        control=Control(
            "FPLUS keeps its upper half alone, above zero and below: no activation",
            ACTIVATIONS.gain("elu", LINEAR),
        ),
        **TRAININGS,
    ),
    Claim(
        id="fplus/learnt-scales",
        paper=PAPER,
        sentence="PFPLUS, whose amplitude and scale are learnt, is more accurate than FPLUS.",
        protocol=PROTOCOL.format(
            "An amplitude and a scale for each channel, both kept above zero. The value is by how "
            "many points PFPLUS errs less; reproduced from 1.5 points, partly from 1, which is "
            "beyond what seeds alone give here."
        ),
        unit="points",
        measure=ACTIVATIONS.gain("fplus", "pfplus_channels"),
        rule=at_least(1.5, 1.0),
        control=ACTIVATIONS.chance("fplus", "nothing is learnt: FPLUS against itself"),
        **TRAININGS,
    ),
    Claim(
        id="fplus/cheaper-than-elu",
        paper=PAPER,
        sentence="FPLUS takes less time than ELU: one division instead of an exponential.",
        protocol="Forward and backward on a map of 64 x 64 x 56 x 56 in float32, one thread, each "
        "fused to one pass by torch.compile, so that arithmetic is compared and not how many "
        "passes our operator takes; those without fusing are in the table. Reproduced up to 0.9 of "
        "ELU's time, partly up to 0.97. The paper says cheap, without a figure that could be read.",
        unit="time of FPLUS / time of ELU",
        measure=time_over_elu("fplus", fplus),
        rule=at_most(0.9, 0.97),
        control=Control(
            "the exponential is still there: ELU against itself", time_over_elu("elu again", again)
        ),
        footing={"cpu": "scaled", "gpu": "stand-in"},
    ),
)
