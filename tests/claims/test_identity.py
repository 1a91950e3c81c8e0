"""What makes two things one: everything that decides what they do, and nothing else."""

import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.claims.identity import identity


@dataclass(frozen=True)
class Word:
    text: str
    number: float = 1.0


class Silent(nn.Module):
    """Its repr does not show `alpha`."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha


def network(alpha: float = 1.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), Silent(alpha))


def closing(value: Any) -> Any:
    def inner(x: int) -> Any:
        return x, value

    return inner


def hooked() -> nn.Module:
    net = network()
    net.register_forward_pre_hook(lambda module, inputs: None)
    return net


def changed() -> nn.Module:
    net = network()
    with torch.no_grad():
        net[0].weight[0, 0] += 1e-6  # pyright: ignore
    return net


EQUAL = {
    "networks": network,
    "hooks": hooked,
    "closures": lambda: closing(torch.arange(3)),
    "records": lambda: Word("a"),
    "partials": lambda: partial(closing, 3),
    "sets": lambda: {"a", "b", "c"},
    "nested": lambda: {"x": [Word("a"), None, np.arange(4)]},
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_things_are_one(name: str) -> None:
    assert identity(EQUAL[name]()) == identity(EQUAL[name]())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (network(), network(alpha=0.0)),
        (network(), hooked()),
        (network(), changed()),
        (network(), network().eval()),
        (closing(torch.arange(3)), closing(torch.arange(1, 4))),
        (closing(0.1), closing(0.2)),
        (closing(closing(1)), closing(closing(2))),
        (lambda x: x + 1, lambda x: x + 2),
        (Word("a"), Word("a", 2.0)),
        (partial(closing, 3), partial(closing, 4)),
        ([1, 23], [12, 3]),
        (1, 1.0),
        (0, False),
        ("", None),
        (np.arange(4), np.arange(4).reshape(2, 2)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int32)),
    ],
)
def test_different_things_are_two(one: Any, other: Any) -> None:
    assert identity(one) != identity(other)


def test_it_is_the_same_in_another_process() -> None:
    """Whatever the seed of its hashes, which orders sets, and whatever it did before."""
    program = """
from fleetfoot.claims.identity import identity
from fleetfoot.recipes import method
from fleetfoot.train.recipe import Recipe
import torch
from torch import nn
torch.manual_seed(0)
step = method.step_of(Recipe().with_changes(methods=("jocor", "mixup:alpha=1")))
print(identity(nn.Linear(2, 2), step, {"a", "b", "c"}, lambda errors: errors[-1] <= 25.0))
"""
    command = [sys.executable, "-c", program]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    here: list[str] = []
    exec(compile(program, "<string>", "exec"), {"__name__": "__main__", "print": here.append})
    assert there.strip() == here[0]
    assert len(here[0]) == 64


def test_what_holds_itself_ends() -> None:
    one: list[Any] = [1]
    one.append(one)
    assert identity(one) == identity(one)
