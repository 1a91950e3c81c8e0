import random
import subprocess
import sys

import numpy as np
import torch

from fleetfoot.core.seeds import rng, seed_everything, torch_rng


def test_rng_is_a_function_of_its_key() -> None:
    first = rng(0, "image", 3, 17).random(8)
    rng(1).random(1000)
    np.random.default_rng().random()
    assert (rng(0, "image", 3, 17).random(8) == first).all()


def test_rng_gives_the_same_in_another_process_and_version() -> None:
    program = "from fleetfoot.core.seeds import rng; print(rng(0, 'epoch', 1).integers(0, 10**9))"
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    # The number is pinned: a change would break every saved state in the middle of its run.
    assert int(other.stdout) == rng(0, "epoch", 1).integers(0, 10**9) == PINNED


PINNED = 988107470


def test_different_keys_give_different_draws() -> None:
    keys = [(0,), (1,), (0, 0), ("0",), (0, "epoch"), (0, "epoch", 0), (1, 2), (12,), ("1", 2)]
    draws = {rng(*key).integers(0, 2**62) for key in keys}
    assert len(draws) == len(keys)


def test_neighbouring_keys_are_not_correlated() -> None:
    draws = np.stack([rng(0, "image", index).random(256) for index in range(64)])
    correlation = np.corrcoef(draws) - np.eye(64)
    assert np.abs(correlation).max() < 0.35  # 2,016 pairs of 256: five sigma is 0.31
    assert abs(draws.mean() - 0.5) < 0.02


def test_torch_rng_is_a_function_of_its_key() -> None:
    first = torch.rand(4, generator=torch_rng(0, "mix", 5))
    torch.rand(100)
    assert torch.equal(torch.rand(4, generator=torch_rng(0, "mix", 5)), first)
    assert not torch.equal(torch.rand(4, generator=torch_rng(0, "mix", 6)), first)


def test_seed_everything() -> None:
    def draw() -> tuple[float, float, float]:
        seed_everything(2**40 + 3)
        return random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002

    assert draw() == draw()
