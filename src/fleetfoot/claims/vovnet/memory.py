"""VoVNet: what one-shot aggregation reads, writes and keeps in memory, counted.

Paper    Lee et al., 2019, arXiv:1904.09730: section 3.1 (memory access on CIFAR-10), Table 4
         (memory of detectors)
Departs  the paper's memory is that of a whole detector in Caffe; here it is the backbone's
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from fleetfoot.blocks.dense import norm_act_conv, transition
from fleetfoot.claims.claim import Claim, Control, Measure, Measurement, Setting, measured
from fleetfoot.claims.rules import at_least_ratio, within
from fleetfoot.claims.vovnet.osa_forms import joined_at_every_layer, joined_for_equal_work
from fleetfoot.measure.counts import Counts, count
from fleetfoot.measure.mem_access import conv_access
from fleetfoot.measure.recorder import OpRecord
from fleetfoot.nets.create import skeleton

CIFAR_IMAGE = (3, 32, 32)
DETECTOR_IMAGE = (3, 320, 320)
FLOAT_BYTES = 4
COUNTED = ("densenet201", "vovnet39", "densenet161", "vovnet57", "resnet50")
EVERY_LAYER = (
    "VoVNet joins its maps at every layer instead of once, its layers as wide as before, which "
    "takes up to three times the work"
)

Row = Mapping[str, Any]
Form = Callable[[nn.Module], nn.Module]


def memory_access(counts: Counts) -> int:
    """Return what all convolutions read and write, in elements."""
    return sum(conv.elements for conv in conv_access(counts.records))


def kept_bytes(counts: Counts) -> int:
    """Return the bytes of all maps that operators write, in place or not, none of them freed."""
    written = [r.out_shapes[0] for r in counts.records if not _is_in_place(r)]
    return FLOAT_BYTES * sum(map(math.prod, written))


def _is_in_place(record: OpRecord) -> bool:
    return record.op.split(".")[1].endswith("_")  # torch's mark, as in aten.relu_.default


@measured
def access_of(_: Setting, name: str, make: Callable[[], nn.Module]) -> Measurement:
    """Return a network's access, in millions of elements."""
    row = _access_row(name, make())
    return Measurement(value=row["memory_access"] / 1e6, table=(row,))


def _chain() -> nn.Module:
    """Return DenseNet-40 whose layers read the layer before them and nothing else."""
    growth, channels = 12, 16
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
    for block in range(3):
        if block:
            layers.append(transition(growth, growth, nn.AvgPool2d(2)))
        for _ in range(12):
            layers.append(norm_act_conv(channels, growth, kernel_size=3))
            channels = growth
    return nn.Sequential(*layers)


@measured
def joined_at_two_widths(setting: Setting, ratio: Callable[[Form], Measure]) -> Measurement:
    """Return a ratio with VoVNet joined at every layer, its widths kept.

    The note has the ratio at widths lowered to equal work: what the wiring alone does.
    """
    narrowed = ratio(joined_for_equal_work)(setting).value
    return replace(
        ratio(joined_at_every_layer)(setting),
        note="with layers so much narrower that the work is that of the published form: "
        f"{narrowed:.2f}",
    )


@measured
def access_ratio(
    _: Setting, form: Form, *, wirings: Sequence[str] = ("merged", "full")
) -> Measurement:
    """Return DenseNet-40's access over that of a form of OSA 5 x 43."""
    rows = [_access_row("densenet40", skeleton("densenet40"))]
    for wiring in wirings:
        net = form(skeleton("osa_cifar_5x43", wiring=wiring))
        rows.append(_access_row(f"osa_cifar_5x43, {wiring}", net))
    # The paper does not say how a block ends; "merged" is our reading, and nearer to 2.5 M.
    return Measurement(value=rows[0]["memory_access"] / rows[1]["memory_access"], table=tuple(rows))


def _access_row(name: str, net: nn.Module) -> dict[str, Any]:
    counts = count(net, CIFAR_IMAGE)
    return {
        "network": name,
        "params": counts.params,
        "macs": counts.macs,
        "memory_access": memory_access(counts),
    }


def as_published(net: nn.Module) -> nn.Module:
    """Return the network as it is: the form of the paper."""
    return net


@measured
def memory_ratio(_: Setting, key: str, form: Form) -> Measurement:
    """Return DenseNet-201's memory over that of a form of VoVNet-39.

    Args:
        key: of the maps' bytes in the table; the weights are added.
        form: of VoVNet.
    """
    rows = [
        _memory_row(name, form if name.startswith("vovnet") else as_published) for name in COUNTED
    ]
    dense, once = (row[key] + row["weights_bytes"] for row in rows[:2])
    return Measurement(value=dense / once, table=tuple(rows))


def _memory_row(name: str, form: Form) -> Row:
    counts = count(form(skeleton(name)), DETECTOR_IMAGE)
    return {
        "network": name,
        "weights_bytes": FLOAT_BYTES * counts.params,
        "kept_maps_bytes": kept_bytes(counts),
        "peak_live_bytes": counts.peak_live_bytes,
    }


def _memory(key: str) -> dict[str, Any]:
    return {
        "paper_value": 1.59,  # 3498 MB and 2199 MB
        "unit": "memory of DenseNet-201 / memory of VoVNet-39",
        "measure": memory_ratio(key, as_published),
        "rule": at_least_ratio(1.59),
        "control": Control(
            f"{EVERY_LAYER}; the note has it at equal work",
            joined_at_two_widths(lambda form: memory_ratio(key, form)),
        ),
        "footing": {"cpu": "scaled"},  # backbones, not detectors
        "decides_at": ("smoke", "cpu"),
    }


EXACT: dict[str, Any] = {
    "paper": "arXiv:1904.09730, section 3.1",
    "footing": {"cpu": "as published"},
    "decides_at": ("smoke", "cpu"),
}

CLAIMS = (
    Claim(
        id="vovnet/memory-access-densenet40",
        sentence="The convolutions of DenseNet-40 access 3.7 million elements of memory.",
        protocol="h w (c1 + c2) + k^2 c1 c2 of every convolution at 32 x 32, counted from the "
        "shapes of a run. Reproduced within 2 %, the rounding of the figure; partly within 5 %.",
        unit="million elements",
        paper_value=3.7,
        measure=access_of("densenet40", lambda: skeleton("densenet40")),
        rule=within(3.7, reproduced=0.02, partly=0.05),
        control=Control(
            "each layer reads the layer before it alone",
            access_of("densenet40 without dense connections", _chain),
        ),
        **EXACT,
    ),
    Claim(
        id="vovnet/memory-access-osa",
        sentence="Aggregation once per block of 5 layers of 43 channels lowers the memory access "
        "of DenseNet-40 from 3.7 to 2.5 million elements.",
        protocol="Counted as for DenseNet-40. The paper does not say how a block ends: judged is a "
        "1x1 convolution to DenseNet-40's width; the table has the full concatenation as well. "
        "Partly from half of the paper's gain.",
        unit="access of DenseNet-40 / access of OSA 5 x 43",
        paper_value=1.48,
        measure=access_ratio(as_published),
        rule=at_least_ratio(1.48),
        control=Control(
            "the layers of 43 channels join at every layer instead of once, which "
            "takes more work; the note has it at equal work",
            joined_at_two_widths(lambda form: access_ratio(form, wirings=("merged",))),
        ),
        **EXACT,
    ),
    Claim(
        id="vovnet/memory-kept",
        paper="arXiv:1904.09730, Table 4",
        sentence="With all maps kept, DenseNet-201 needs 1.59 times the memory of VoVNet-39.",
        protocol="Weights and every map that an operator writes at 320 x 320, batch 1, float32, "
        "none freed before the end, as Caffe allocates and as training needs. Counted; the paper "
        "has the whole detector's process. Partly from half of the paper's gain.",
        **_memory("kept_maps_bytes"),
    ),
    Claim(
        id="vovnet/memory-live",
        paper="ours, after arXiv:1904.09730, Table 4",
        sentence="With each map freed after its last use, too, DenseNet-201 needs 1.59 times the "
        "memory of VoVNet-39.",
        protocol="Weights and the largest sum of maps alive at once at 320 x 320, batch 1, "
        "float32, in the order of execution. Counted; the paper's framework frees nothing, so this "
        "asks whether its figure holds for inference today. Partly from half of the paper's gain.",
        **_memory("peak_live_bytes"),
    ),
)
