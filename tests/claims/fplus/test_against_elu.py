"""Networks of the FPLUS claims, what is timed, and the rules."""

import torch
from torch import nn

from fleetfoot.claims.claim import Setting
from fleetfoot.claims.fplus.against_elu import CLAIMS, again, both_ways, network, time_over_elu
from fleetfoot.ops.fplus import FPLUS, PFPLUS, fplus

SMOKE = Setting(scale="smoke")


def kinds(net: nn.Module) -> list[type[nn.Module]]:
    return [type(m) for m in net.modules() if isinstance(m, (nn.ReLU, nn.ELU, FPLUS, PFPLUS))]


def test_every_activation_is_exchanged() -> None:
    for word, kind in (("elu", nn.ELU), ("fplus", FPLUS), ("pfplus_channels", PFPLUS)):
        assert kinds(network(word, "smoke")) == [kind] * 7
    assert kinds(network("none", "smoke")) == []
    assert len(kinds(network("fplus", "gpu"))) == 19


def test_what_is_timed_is_the_gradient() -> None:
    (grad,) = both_ways(fplus, (2, 3), SMOKE)()
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(grad, 1 / (1 - x.clamp_max(0)) ** 2)


def test_times_have_a_row_for_each_form() -> None:
    found = time_over_elu("elu again", again)(SMOKE)
    assert [row["activation"] for row in found.table] == [
        "elu again, eager",
        "elu, eager",
        "relu, eager",
    ]


def test_rules_are_those_of_the_protocol() -> None:
    rules = {claim.id: claim.rule for claim in CLAIMS}
    assert rules["fplus/against-elu"](-0.5) == "reproduced"
    assert rules["fplus/against-elu"](-1.1) == "not reproduced"
    assert rules["fplus/learnt-scales"](0.9) == "not reproduced"
    assert rules["fplus/cheaper-than-elu"](0.9) == "reproduced"
    assert rules["fplus/cheaper-than-elu"](1.0) == "not reproduced"
    assert all(claim.footing["cpu"] != "as published" for claim in CLAIMS)
