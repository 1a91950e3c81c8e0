import ctypes

import torch

from fleetfoot.train import memory
from fleetfoot.train.memory import kept_memory


def test_tensors_live_through_it() -> None:
    with kept_memory():
        inside = torch.ones(10_000_000)
        del inside
        kept = torch.ones(10_000_000)
    assert kept.sum() == 10_000_000


def test_another_allocator_is_left_alone(monkeypatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    with kept_memory():
        pass
