"""Shake-Shake networks: a second implementation, counts by hand, the options."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fleetfoot.core.errors import UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.shake_shake import VARIANTS, ShakeShakeNet, ShakeShakeSpec
from tests.contracts.subjects import randomise


def naive(x: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Three stages of four blocks; at evaluation each branch counts a half."""

    def norm(x: Tensor, name: str) -> Tensor:
        words = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{name}.{word}"] for word in words))

    def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
        x = F.conv2d(F.relu(x), state[f"{name}.conv.weight"], stride=stride, padding=1)
        return norm(x, f"{name}.norm")

    x = F.conv2d(x, state["stem.weight"], padding=1)
    for stage in range(3):
        for block in range(4):
            path = f"stages.{stage}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            ways = []
            for way in ("first", "second"):
                y = layer(x, f"{path}.{way}.conv1", stride)
                ways.append(layer(y, f"{path}.{way}.conv2"))
            if block == 0:
                height, width = x.shape[2:]
                r = F.relu(x)
                far = torch.zeros_like(r)
                far[:, :, : height - 1, : width - 1] = r[:, :, 1:, 1:]
                halves = [
                    F.conv2d(
                        part[:, :, ::stride, ::stride], state[f"{path}.shortcut.{name}.weight"]
                    )
                    for part, name in ((r, "here"), (far, "shifted"))
                ]
                x = norm(torch.cat(halves, dim=1), f"{path}.shortcut.norm")
            x = x + (ways[0] + ways[1]) / 2
    x = F.relu(x).mean(dim=(2, 3))
    return F.linear(x, state["classifier.weight"], state["classifier.bias"])


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = randomise(create(name, num_classes=7)).double()
    x = torch.randn(2, 3, 13, 10, dtype=torch.float64)
    with torch.no_grad():
        expected = naive(x, net.state_dict())
        assert expected.std() > 0.01
        torch.testing.assert_close(net(x), expected, rtol=1e-9, atol=1e-9 * expected.abs().max())


@pytest.mark.parametrize("name", VARIANTS)
def test_counts_by_hand(name: str) -> None:
    width = VARIANTS[name].spec.width
    stem = 3 * 9 * 16
    params, macs = stem, stem * 32**2
    before = 16
    for stage in range(3):
        channels, positions = width * 2**stage, (32 >> stage) ** 2
        first = 2 * 9 * (before * channels + channels**2) + before * channels
        rest = 3 * 2 * 2 * 9 * channels**2
        norms = 2 * channels * (4 * 2 * 2 + 1)
        params += first + rest + norms
        macs += (first + rest) * positions
        before = channels
    assert entry(name).params == params + before * 10 + 10
    assert entry(name).macs == macs + before * 10


def test_the_paper_counts_2_9_million_weights() -> None:
    assert round(entry("shake_shake_26_2x32d").params / 1e6, 1) == 2.9


def small(**words: str) -> ShakeShakeNet:
    torch.manual_seed(0)
    return ShakeShakeNet(ShakeShakeSpec(width=4, blocks=1), 3, **words)


def test_training_shakes_as_the_words_say() -> None:
    x = torch.randn(4, 3, 8, 8)
    for words, same in (({}, False), ({"forward_share": "even"}, True)):
        net = small(**words).train()
        outputs = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            outputs.append(net(x))
        assert torch.equal(*outputs) == same
    mixes = [
        block.mix for stage in small(level="batch", backward_share="keep").stages for block in stage
    ]
    assert {(mix.level, mix.backward_share) for mix in mixes} == {("batch", "keep")}


def test_refuses_another_word() -> None:
    with pytest.raises(UsageError, match="is not offered"):
        create("shake_shake_26_2x32d", forward_share="odd")
