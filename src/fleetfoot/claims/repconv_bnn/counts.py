"""RepConv: feature maps beta times as wide, and not one binary weight or product more.

Paper    Shi et al., 2022, arXiv:2207.09049; totals of ReActNet-A and of ReCU's ResNet-20 were
         counted for the sheet, and agree with the published OPs
"""

from collections.abc import Callable

import torch
from torch import nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.deviation import worst_deviation
from fleetfoot.claims.rules import at_most
from fleetfoot.measure.counts import count
from fleetfoot.nets.create import skeleton
from fleetfoot.ops.binary_conv import BinaryConv2d
from fleetfoot.ops.recu_conv import RecuConv2d

TOTALS = {
    "reactnet_a": 29_343_592,
    "rep_reactnet_a": 30_432_072,
    "recu_resnet20": 270_522,
    "rep_recu_resnet20": 272_298,
}
OPS = {"reactnet_a": 0.87e8, "rep_reactnet_a": 0.88e8}
BETAS = (2, 4)
Wide = Callable[[str, int], nn.Module]


def repeated(name: str, beta: int) -> nn.Module:
    """Return the network with maps beta times as wide by RepConv."""
    return skeleton(name, repeats=beta)


def widened(name: str, beta: int) -> nn.Module:
    """Return the network whose convolutions have beta times the outputs, and so the inputs."""
    net = skeleton(name)
    for path, conv in list(net.named_modules()):
        if isinstance(conv, BinaryConv2d):
            outputs, inputs, kernel, _ = conv.weight.shape
            with torch.device("meta"):
                new = BinaryConv2d(beta * inputs, beta * outputs, kernel, stride=conv.stride)
            net.set_submodule(path, new)
    return net


@measured
def more_weights(_: Setting, wide: Wide) -> Measurement:
    """Return by how many per cent binary weights grow with the width, the most of all."""
    rows: list[dict[str, float | str]] = []
    for name in ("recu_resnet20", "reactnet_a"):
        before = _binary(skeleton(name))
        for beta in BETAS:
            after = _binary(wide(name, beta))
            rows.append(
                {
                    "network": name,
                    "beta": beta,
                    "binary_weights": after,
                    "more_percent": 100 * (after / before - 1),
                }
            )
    return Measurement(value=max(float(row["more_percent"]) for row in rows), table=tuple(rows))


def _binary(net: nn.Module) -> int:
    return sum(m.weight.numel() for m in net.modules() if isinstance(m, BinaryConv2d))


@measured
def worst_total(_: Setting, *, factors: bool = True) -> Measurement:
    """Return the largest deviation of parameters from the sheet's, in per cent.

    Args:
        factors: what ReCU learns for each filter counts.
    """
    return worst_deviation(TOTALS, {name: _parameters(name, factors) for name in TOTALS})


def _parameters(name: str, factors: bool) -> int:
    net = skeleton(name)
    found = sum(parameter.numel() for parameter in net.parameters())
    if factors:
        return found
    scales = (m.factor.numel() for m in net.modules() if isinstance(m, RecuConv2d))
    shifts = (p.numel() for n, p in net.named_parameters() if "sign" in n)
    return found - sum(scales) - sum(shifts)


@measured
def published_ops(_: Setting, *, all_real: bool = False) -> Measurement:
    """Return the deviation of ReActNet-A's OPs from the published, in per cent, the larger of two.

    OPs are real products, and binary ones over 64.

    Args:
        all_real: a binary product counts like a real one.
    """
    return worst_deviation(OPS, {name: _ops(name, 1 if all_real else 64) for name in OPS})


def _ops(name: str, binary_per_op: int) -> float:
    net = skeleton(name)
    counts = count(net, (3, 224, 224))
    kinds = {path: type(module) for path, module in net.named_modules()}
    binary = sum(r.macs for r in counts.records if kinds.get(r.path) is BinaryConv2d)
    return counts.macs - binary + binary / binary_per_op


EXACT = at_cpu("as published")
CLAIMS = (
    Claim(
        id="repbnn/no-more-weights",
        paper="arXiv:2207.09049",
        sentence="Maps beta times as wide by RepConv take not one binary weight more.",
        protocol="ReCU's ResNet-20 and ReActNet-A with beta 2 and 4, counted; the largest growth "
        "of the weights of their binary convolutions.",
        unit="% more binary weights",
        paper_value=0.0,
        measure=more_weights(repeated),
        rule=at_most(0.0, 1.0),
        control=Control("convolutions are beta times as wide instead", more_weights(widened)),
        **EXACT,
    ),
    Claim(
        id="repbnn/totals",
        paper="arXiv:2207.09049, and the authors' code",
        sentence="ReActNet-A has 29.34 million parameters, 30.43 with maps twice as wide; ReCU's "
        "ResNet-20 270,522 and 272,298.",
        protocol="Parameters of our networks against counts made by hand from the code; the "
        "largest deviation of four.",
        unit="% largest deviation of four networks",
        paper_value=0.0,
        measure=worst_total(),
        rule=at_most(0.0, 0.1),
        control=Control(
            "factors of filters and shifts of signs are left out", worst_total(factors=False)
        ),
        **EXACT,
    ),
    Claim(
        id="repbnn/ops",
        paper="arXiv:2207.09049, table of ImageNet: 0.87 and 0.88e8 OPs",
        sentence="ReActNet-A takes 0.87e8 OPs, and 0.88e8 with maps twice as wide.",
        protocol="Products at 224 x 224 counted from the shapes of a run; binary ones count for a "
        "64th. The larger deviation; figures of two digits are within 0.6 % of theirs.",
        unit="% larger deviation of two networks",
        paper_value=0.0,
        measure=published_ops(),
        rule=at_most(0.6, 2.0),
        control=Control("binary products count whole", published_ops(all_real=True)),
        **EXACT,
    ),
)
