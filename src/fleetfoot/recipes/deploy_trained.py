"""Deploy a trained network: the one way, at the end of a run and for the verb `deploy`.

Compact  a pruned network loses its dead channels; the record has density and multiply-adds
Fold     batch norms go into the convolutions; the reference is the network as it was trained
Gate     up to `GATE_IMAGES` images that training did not see; noise where there are none
Bits     a binary network is packed, too, and competes with its other forms
int8     calibrated on training images; where there are none, on the gate's own
"""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from fleetfoot.core.errors import FleetfootError, UsageError, require
from fleetfoot.core.seeds import rng
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.deploy.deploy import BundleRecord, deploy
from fleetfoot.deploy.gate import GATE_IMAGES, GateSet, spread
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.write_bundle import Card
from fleetfoot.measure.counts import count
from fleetfoot.ops.binary_conv import has_binary_layers
from fleetfoot.passes.compact import compact
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from fleetfoot.recipes.evaluation import crops

NOISE_IMAGES = 32
SPARSE = 0.99  # of the weights of a layer: trained ones are not 0 but by pruning
CALIBRATION_IMAGES = 50  # more would only cost time


def deploy_trained(
    net: nn.Module,
    folder: Path,
    *,
    preprocess: Preprocess,
    classes: Sequence[str],
    card: Card,
    gate: Split | None,
    training: Split | None,
    options: Options,
) -> BundleRecord:
    """Write the fastest form of a trained network that passes the gate as a bundle.

    Args:
        net: as it was trained, unfolded; moved to the CPU.
        folder: of the bundle; what is there is replaced once the new one is complete.
        preprocess: from an image to the network's input.
        classes: names, in the order of the logits.
        card: what the bundle says about the network.
        gate: images to compare every form on; None compares on noise.
        training: images for the ranges of int8; None takes those of the gate.
        options: see `Options`; its calibration images are set here.

    Raises:
        GateError: ONNX float32, or every form, answers otherwise than the network.
        MissingError: a package that exporting needs is not installed.
    """
    net = net.cpu().eval()
    compared = _gate_set(gate, preprocess)
    if training is None:
        calibration = compared.images[spread(len(compared.images), CALIBRATION_IMAGES)]
    else:
        calibration = crops(training, preprocess, limit=CALIBRATION_IMAGES)
    small, pruned = _compacted(net, preprocess)
    if pruned:
        card = replace(card, more={**(card.more or {}), "pruned": pruned})
    return deploy(
        fold_batch_norm(small).model,
        folder,
        preprocess=preprocess,
        classes=classes,
        gate=compared,
        card=card,
        eager=net,
        options=replace(_with_bits(options, net, preprocess), calibration_images=calibration),
    )


def _compacted(net: nn.Module, preprocess: Preprocess) -> tuple[nn.Module, dict[str, Any]]:
    """Return a pruned network without its dead channels, and what pruning made of it.

    The share of the weights of each layer that is not 0, and multiply-adds before and after.
    """
    layers = {path: m for path, m in net.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    density = {path: float((m.weight != 0).float().mean()) for path, m in layers.items()}
    if not any(share < SPARSE for share in density.values()):
        return net, {}
    small = net
    with contextlib.suppress(UsageError):  # what cannot be traced is deployed as it is
        small = compact(net).model
    image = (preprocess.channels, preprocess.size, preprocess.size)
    before, after = (count(each, image).macs for each in (net, small))
    return small, {"density": density, "macs_before": before, "macs_after": after}


def _with_bits(options: Options, net: nn.Module, preprocess: Preprocess) -> Options:
    """Return options with the packed form of a binary network, or the reason why it has none."""
    if not has_binary_layers(net):
        return options
    try:
        require("numba", extra="kernels")
        from fleetfoot.passes.pack_binary import pack_binary

        image = (preprocess.channels, preprocess.size, preprocess.size)
        return replace(options, packed=pack_binary(net, image).net)
    except FleetfootError as error:
        return replace(options, packed=str(error))


def _gate_set(gate: Split | None, preprocess: Preprocess) -> GateSet:
    if gate is None:
        shape = (NOISE_IMAGES, preprocess.size, preprocess.size, preprocess.channels)
        return GateSet(rng(0, "gate").integers(0, 256, shape, dtype=np.uint8))
    shown = spread(len(gate), GATE_IMAGES)
    return GateSet(
        crops(gate, preprocess, limit=GATE_IMAGES),
        gate.labels[shown],
        picture=gate.read(int(shown[0])),
    )
