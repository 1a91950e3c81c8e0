"""Deploy a trained network: the one way, at the end of a run and for the verb `deploy`.

Fold     batch norms go into the convolutions; the reference is the network as it was trained
Gate     up to `GATE_IMAGES` images that training did not see; noise where there are none
Bits     a binary network is packed, too, and competes with its other forms
int8     calibrated on training images; where there are none, on the gate's own
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from fleetfoot.core.errors import FleetfootError, require
from fleetfoot.core.seeds import rng
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.deploy.deploy import BundleRecord, deploy
from fleetfoot.deploy.gate import GATE_IMAGES, GateSet, spread
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.write_bundle import Card
from fleetfoot.ops.binary_conv import has_binary_layers
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from fleetfoot.recipes.evaluation import crops

NOISE_IMAGES = 32
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
    return deploy(
        fold_batch_norm(net).model,
        folder,
        preprocess=preprocess,
        classes=classes,
        gate=compared,
        card=card,
        eager=net,
        options=replace(_with_bits(options, net, preprocess), calibration_images=calibration),
    )


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
