"""Which networks the batteries run on: the quick suite takes as many as the test's cost allows."""

import json
from collections.abc import Callable

import pytest

from tests.contracts.subjects import GOLDEN

DEEP_TENSORS = 100  # networks with more take half a second a test even without weights
HEAVY_PARAMS = 5_000_000
# The lightest of their families, and seconds a test; each has a file of its own.
HEAVY = {"shake_shake_26_2x32d", "peleenet"}
EXPORTED = ("fasternet_t0", "fleetnet_small")  # an export takes seconds; the others are slow


def every_net(*, slow: Callable[[str], bool]) -> list[object]:
    """Return one pytest parameter a registered network; some belong to the slow suite."""
    from fleetfoot.nets.create import list_nets

    return [pytest.param(n, marks=pytest.mark.slow if slow(n) else []) for n in list_nets()]


def lightest_of_each_family() -> set[str]:
    """Return the network with the fewest operations of each network file."""
    from fleetfoot.nets.catalog import entries

    found: dict[str, str] = {}
    for item in sorted(entries(), key=lambda e: e.macs * e.params):
        found.setdefault(item.family, item.name)
    return set(found.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fill in the networks; the quick suite runs as many as the cost of the test allows.

    `net_name` is for shapes alone, `light_net` for real weights, `checked_net` for references,
    `exported_net` for export formats and what hardly depends on the network.
    """
    from fleetfoot.nets.catalog import entry

    light = (lightest_of_each_family() | {"tf_efficientnet_lite0"}) - HEAVY
    tensors = {
        name: sum(facts["patterns"].values())
        for name, facts in json.loads(GOLDEN.read_text()).items()
    }
    rules: dict[str, Callable[[str], bool]] = {
        "net_name": lambda name: tensors.get(name, 0) > DEEP_TENSORS and name not in light,
        "light_net": lambda name: name not in light,
        "checked_net": lambda name: name in HEAVY or entry(name).params > HEAVY_PARAMS,
        "exported_net": lambda name: name not in EXPORTED,
    }
    for fixture, slow in rules.items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, every_net(slow=slow))
