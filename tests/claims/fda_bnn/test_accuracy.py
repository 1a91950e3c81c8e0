"""Ways of the comparison: the networks and recipes that they stand for."""

import pytest

from fleetfoot.claims.fda_bnn.accuracy import NETS, RESNETS, network, recipe
from fleetfoot.claims.ledger import claims
from fleetfoot.ops.quantise import Quantise


@pytest.mark.parametrize("way", NETS)
def test_each_way_is_its_network(way: str) -> None:
    net = network(way, "cpu")
    assert net.created_as.name == NETS[way]
    few = [m for m in net.modules() if isinstance(m, Quantise)]
    assert len(few) == (18 if way == "two bits" else 0)


def test_all_ways_share_a_recipe_which_is_recus_at_full_length() -> None:
    small, whole = recipe("plain", "cpu"), recipe("sines", "long")
    assert (whole.batch, whole.optimizer.lr, whole.optimizer.weight_decay) == (256, 0.1, 5e-4)
    assert (small.batch, small.optimizer.lr) == (64, 0.05)
    assert RESNETS.efforts["long"].train_images is None


def test_gains_are_those_of_the_papers() -> None:
    names = ("fdabnn/sines", "repbnn/recu", "repbnn/repeated-maps")
    gains = [claims()[name].paper_value for name in names]
    assert gains == pytest.approx([85.83 - 84.44, 87.50 - 84.44, 88.97 - 87.50])
