"""Depthwise convolutions do little work and do it slowly.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Table 1; stated without figures by Ma et al.,
         ECCV 2018, arXiv:1807.11164, G4
"""

from fleetfoot.claims.claim import Claim, Control
from fleetfoot.claims.fasternet.layers import narrowest_step
from fleetfoot.claims.rules import at_least

CLAIMS = (
    Claim(
        id="measuring/depthwise-rate",
        paper="arXiv:2303.03667v3, Table 1, CPU",
        sentence="A dense 3x3 convolution works at 11.2 times the rate of a depthwise one.",
        protocol="Ten stacked layers of equal width on maps 96x56x56, 192x28x28, 384x14x14 and "
        "768x7x7, batch 1, one thread, float32, default layout, torch eager, a fresh pinned "
        "process for each stack, alternating blocks; mean rates. The paper times an i9-9900X. "
        "Partly from half of its figure.",
        unit="mean FLOPS of dense 3x3 / mean FLOPS of depthwise 3x3",
        paper_value=11.2,
        measure=narrowest_step("conv", "dwconv"),
        rule=at_least(11.2, 5.6),
        control=Control(
            "a dense 1x1 convolution, which does a ninth of the work, stands for the depthwise one",
            narrowest_step("conv", "pointwise"),
        ),
        footing={"cpu": "as published"},
    ),
)
