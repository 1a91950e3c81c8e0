"""What the batteries over all networks share."""

import fnmatch
from collections.abc import Callable

import pytest
import torch
from torch import nn

LIGHT = ("efficientnet_lite0", "tf_efficientnet_lite0", "fasternet_t0", "fleetnet*")
HEAVY = ("fasternet_s", "fasternet_m", "fasternet_l")


def every_net(*, slow: Callable[[str], bool]) -> list[object]:
    """Return one pytest parameter a registered network; some belong to the slow suite."""
    from fleetfoot.nets.create import list_nets

    return [pytest.param(n, marks=pytest.mark.slow if slow(n) else []) for n in list_nets()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fill in the networks; the quick suite runs as many as the cost of the test allows.

    `net_name` is for shapes alone, `light_net` for real weights, `checked_net` for references.
    """
    rules: dict[str, Callable[[str], bool]] = {
        "net_name": lambda name: False,
        "light_net": lambda name: not any(fnmatch.fnmatch(name, light) for light in LIGHT),
        "checked_net": lambda name: name in HEAVY,
    }
    for fixture, slow in rules.items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, every_net(slow=slow))


@pytest.fixture
def randomise() -> Callable[[nn.Module], nn.Module]:
    """Give every norm statistics that matter, and the head weights that show a difference."""

    @torch.no_grad()
    def apply(net: nn.Module) -> nn.Module:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.1)
        return net.eval()

    return apply
