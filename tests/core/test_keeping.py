import pytest
from torch import nn

from fleetfoot.core.keeping import keeping


def test_every_part_gets_its_own_mode_back_however_it_ends() -> None:
    net = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(1), nn.Dropout())
    net[1].eval()

    def fail() -> None:
        with keeping(net.modules(), "training"):
            net.eval()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [module.training for module in net.modules()] == [True, True, False, True]
