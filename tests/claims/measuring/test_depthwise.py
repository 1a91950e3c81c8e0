"""The control does a ninth of the work of the dense convolution."""

import torch

from fleetfoot.claims.fasternet.layers import LAYERS
from fleetfoot.claims.ledger import claims
from fleetfoot.measure.counts import count


def test_work_of_the_control() -> None:
    assert claims()["measuring/depthwise-rate"].needs.data == ()
    with torch.device("meta"):
        dense, pointwise = LAYERS["conv"](8), LAYERS["pointwise"](8)
    work = [count(layer, (8, 6, 6)).macs for layer in (dense, pointwise)]
    assert work == [9 * 8 * 8 * 36, 8 * 8 * 36]
