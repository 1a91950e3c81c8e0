"""The network in eager torch: the reference of the gate, and the baseline of speed.

Letters  N images, H height, W width, C channels (of images) or classes (of logits)
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fleetfoot.core.results import to_json
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.deploy.cells import Cell, CellTiming
from fleetfoot.deploy.gate import GateSet
from fleetfoot.deploy.options import Options
from fleetfoot.deploy.tune import Candidate, timed
from fleetfoot.measure.accuracy import wilson_interval


def eager_logits(
    net: nn.Module, crops_NHWC: NDArray[np.uint8], preprocess: Preprocess, *, batch: int = 8
) -> NDArray[np.float32]:
    """Return the logits (N, C) of ``net`` in eager float32 for uint8 crops.

    Small batches, channels last: EfficientNet-Lite0 at 224 px then takes half the processor time
    that it takes by 32 and channels first, much of which is the kernel's, handing out memory.
    """
    logits: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(crops_NHWC), batch):
            images = torch.from_numpy(preprocess.normalise(crops_NHWC[start : start + batch]))
            logits.append(net(images.contiguous(memory_format=torch.channels_last)).numpy())
    return np.concatenate(logits)


def baseline_cells(net: nn.Module, image: tuple[int, ...], options: Options) -> list[Cell]:
    """Return the timing cells of the torch engines that are measured beside."""
    return [
        Cell(
            name=engine,
            engine=engine,
            threads=options.threads[0],
            input_shape=(1, *image),
            module=net,
        )
        for engine in options.baselines
    ]


def baselines(
    net: nn.Module, image: tuple[int, ...], options: Options, timings: Mapping[str, CellTiming]
) -> list[dict[str, Any]]:
    """Return the figures of those cells, as a bundle records them."""
    rows: list[dict[str, Any]] = []
    for cell in baseline_cells(net, image, options):
        blank = Candidate(
            engine=cell.engine, precision=cell.precision, layout=cell.layout, threads=cell.threads
        )
        rows.append(to_json(timed(blank, timings[cell.name])))
    return rows


def accuracy(reference_NC: NDArray[np.float32], gate: GateSet) -> dict[str, Any]:
    """Return the accuracy of the reference on the gate images, with its interval."""
    images = len(reference_NC)
    names = ("correct", "top1", "top1_low", "top1_high")
    if gate.labels is None:
        return {"images": images, **dict.fromkeys(names)}
    correct = int((reference_NC.argmax(axis=1) == gate.labels).sum())
    values = (correct, correct / images, *wilson_interval(correct, images))
    return {"images": images, **dict(zip(names, values, strict=True))}
