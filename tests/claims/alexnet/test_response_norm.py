"""The four networks differ by normalisation alone; idle normalisation divides by 1."""

import pytest
import torch

from fleetfoot.claims.alexnet import response_norm as lrn
from fleetfoot.ops.local_response_norm import LocalResponseNorm


@pytest.mark.parametrize("pair", lrn.PAIRS.items())
def test_pairs_have_equal_weights_and_idle_norms_do_nothing(pair: tuple[str, str]) -> None:
    plain, normed, idle = (
        lrn.network(way, "cpu") for way in (pair[0], pair[1], pair[1] + lrn.IDLE)
    )
    norms = [sum(isinstance(m, LocalResponseNorm) for m in n.modules()) for n in (plain, normed)]
    assert norms == [0, 2]
    weights = plain.state_dict()
    normed.load_state_dict(weights)
    idle.load_state_dict(weights)
    x = 6e4 * torch.randn(2, 3, lrn.SIDE, lrn.SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        # The 11 % net pools behind its second norm: a maximum commutes with dividing by 1.
        torch.testing.assert_close(idle(x), plain(x), rtol=1e-4, atol=1e-6)
        assert not torch.allclose(normed(x), plain(x), rtol=1e-3)
