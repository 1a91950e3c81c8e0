"""The battery of every rewrite pass over every registered network."""

import copy
import pkgutil
from collections.abc import Callable

import pytest
import torch
from torch import nn

from fleetfoot import passes
from fleetfoot.core.results import PassResult
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.passes.compact import compact
from fleetfoot.passes.fold_batch_norm import fold_batch_norm
from tests.contracts.subjects import pixels_for, randomise

EXACT: dict[str, Callable[[nn.Module], PassResult]] = {
    "compact": compact,
    "fold_batch_norm": fold_batch_norm,
}
# Files whose functions change a network in place, before training.
SURGERY = {"insert_after", "shake_branches"}
# Files whose result is no torch module, and only of networks of one kind.
PACKING = {"pack_binary"}


def test_every_pass_is_in_the_battery() -> None:
    files = {file.name for file in pkgutil.iter_modules(passes.__path__)}
    assert files == set(EXACT) | SURGERY | PACKING, "add an exact pass to EXACT, surgery to SURGERY"


@pytest.mark.parametrize("name", EXACT)
def test_pass_is_exact_and_leaves_its_input_alone(name: str, light_net: str) -> None:
    torch.manual_seed(0)
    net = randomise(create(light_net, num_classes=10))
    before = copy.deepcopy(net.state_dict())
    height, width = pixels_for(net, 33), pixels_for(net, 47)
    x = torch.randn(2, entry(light_net).input[0], height, width)
    result = EXACT[name](net)
    with torch.no_grad():
        expected, got = net(x), result.model(x)
    assert (got - expected).abs().max() / expected.abs().max() <= 1e-5
    if name == "fold_batch_norm":
        _every_norm_is_folded_or_says_why_not(net, result)
    assert all(torch.equal(net.state_dict()[key], value) for key, value in before.items())
    again = EXACT[name](result.model)
    assert again.changed == ()
    assert torch.equal(again.model(x), result.model(x))


def _every_norm_is_folded_or_says_why_not(net: nn.Module, result: PassResult) -> None:
    norms = sum(isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) for module in net.modules())
    assert len(result.changed) + len(result.skipped) == norms
    assert all(skip.reason for skip in result.skipped)
