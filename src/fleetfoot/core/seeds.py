"""Randomness as a pure function of a key, so that a resumed run draws what it would have drawn."""

import hashlib
import random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def rng(*key: int | str) -> np.random.Generator:
    """Return a NumPy generator that depends on ``key`` alone.

    >>> bool(rng(0, "epoch", 3).random() == rng(0, "epoch", 3).random())
    True
    """
    return np.random.Generator(np.random.Philox(_digest(key)))


def torch_rng(*key: int | str) -> "torch.Generator":
    """Return a torch CPU generator that depends on ``key`` alone."""
    import torch

    return torch.Generator().manual_seed(_digest(key) % 2**63)


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  libraries that use the global state
    torch.manual_seed(seed)


def _digest(key: tuple[int | str, ...]) -> int:
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=16).digest())
