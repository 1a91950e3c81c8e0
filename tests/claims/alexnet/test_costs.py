"""All forms of AlexNet do the same work on the same maps; only the layer in question differs."""

import pytest
from torch import nn

from fleetfoot.claims.alexnet import costs as alexnet
from fleetfoot.core.surgery import replaced
from fleetfoot.measure.counts import count
from fleetfoot.nets.create import skeleton
from fleetfoot.ops.local_response_norm import LocalResponseNorm

MACS = 724_406_816
FORMS = [
    (LocalResponseNorm, alexnet.NORMS["left out"]),
    (LocalResponseNorm, alexnet.NORMS["over the column"]),
    (nn.MaxPool2d, alexnet.POOLS["apart"]),
    (nn.MaxPool2d, alexnet.POOLS["overlapping widely"]),
]


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_forms_do_the_same_work(kind: type[nn.Module], form: alexnet.Change) -> None:
    net = skeleton(alexnet.NET)
    published = [repr(module) for module in net.modules() if isinstance(module, kind)]
    other = replaced(net, kind, form)
    assert count(other, alexnet.IMAGE["cpu"]).macs == MACS
    assert [repr(module) for module in net.modules() if isinstance(module, kind)] == published
    assert [repr(module) for module in other.modules() if isinstance(module, kind)] != published


@pytest.mark.parametrize("scale", ["smoke", "cpu"])
def test_pools_of_all_forms_give_the_same_maps(scale: str) -> None:
    net = skeleton(alexnet.NET)
    work = {count(replaced(net, kind, form), alexnet.IMAGE[scale]).macs for kind, form in FORMS}
    assert len(work) == 1


def test_layers_alone_get_the_maps_of_the_network() -> None:
    net = skeleton(alexnet.NET)
    assert alexnet._maps(net, LocalResponseNorm, (3, 224, 224)) == {
        "stem.norm1": (96, 55, 55),
        "stages.0.norm2": (256, 27, 27),
    }
    assert list(alexnet._maps(net, nn.MaxPool2d, (3, 224, 224)).values()) == [
        (96, 55, 55),
        (256, 27, 27),
        (256, 13, 13),
    ]
