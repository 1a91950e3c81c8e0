"""FixRes: what is frozen, and that frozen norms keep what they have gathered."""

import pytest
import torch
from torch import nn

from fleetfoot.train.steps.fixres import freeze_body, frozen_norms_step, thaw


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.BatchNorm1d(4)
        self.last = nn.BatchNorm1d(4)
        self.classifier = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.last(self.first(x)))


HEAD = ("classifier.weight", "classifier.bias")
LAST = ("last.weight", "last.bias")
FIRST = ("first.weight", "first.bias")


@pytest.mark.parametrize(
    ("norms", "trained"),
    [("last", LAST + HEAD), ("all", FIRST + LAST + HEAD), ("none", HEAD)],
)
def test_the_rest_is_frozen_and_thawed(norms: str, trained: tuple[str, ...]) -> None:
    result = freeze_body(Net(), norms=norms)
    assert result.changed == trained
    found = [n for n, p in result.model.named_parameters() if p.requires_grad]
    assert tuple(found) == trained
    assert all(p.requires_grad for p in thaw(result.model).parameters())


def test_only_the_last_norm_gathers() -> None:
    net = freeze_body(Net(), norms="last").model.train()
    x = torch.randn(8, 4) + 3
    step = frozen_norms_step(lambda net, batch, context: (net(x).sum(), {}))
    step(net, None, None)
    assert torch.equal(net.first.running_mean, torch.zeros(4))
    assert not torch.equal(net.last.running_mean, torch.zeros(4))
