"""FDA's and ReCU's residual networks: a naive form of each, counts by hand, packing."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import ShapeError, UsageError
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from tests.contracts.subjects import randomise

NAMES = ("bnn_resnet20", "fda_resnet20", "recu_resnet20", "rep_recu_resnet20")
State = dict[str, Tensor]


def sign(x: Tensor) -> Tensor:
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


def norm(x: Tensor, state: State, path: str) -> Tensor:
    keys = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (state[f"{path}.{k}"].view(1, -1, 1, 1) for k in keys)
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def fda(x: Tensor, state: State) -> Tensor:
    """The block of the released code, written out."""
    x = norm(F.conv2d(x, state["stem.conv.weight"], padding=1), state, "stem.norm")
    for stage in range(3):
        for block in range(3):
            path, stride = f"stages.{stage}.{block}", 2 if stage and not block else 1
            shortcut = x[:, :, ::stride, ::stride]
            if stride == 2:
                more = torch.zeros_like(shortcut[:, : shortcut.shape[1] // 2])
                shortcut = torch.cat([more, shortcut, more], 1)
            for unit, step in (("unit1", stride), ("unit2", 1)):
                latent = state[f"{path}.{unit}.conv.weight"]
                weight = sign(latent) * latent.abs().mean()
                x = F.conv2d(sign(x), weight, stride=step, padding=1)
                x = torch.where(x >= 0, x, x * state[f"{path}.{unit}.act.weight"])
                x = norm(x, state, f"{path}.{unit}.norm")
            x = x + shortcut
    features = torch.relu(x).mean(dim=(2, 3))
    return features @ state["classifier.weight"].T + state["classifier.bias"]


def recu(x: Tensor, state: State, beta: int) -> Tensor:
    stem = "stem" if beta == 1 else "stem.0"
    x = norm(F.conv2d(x, state[f"{stem}.conv.weight"], padding=1), state, f"{stem}.norm")
    x = torch.cat([x.clamp(-1, 1)] * beta, 1)
    stages = len({key.split(".")[1] for key in state if key.startswith("stages")})
    for stage in range(stages):
        blocks = {key.split(".")[2] for key in state if key.startswith(f"stages.{stage}.")}
        for block in range(len(blocks)):
            for unit in ("unit1", "unit2"):
                path = f"stages.{stage}.{block}.{unit}"
                grows = bool(stage) and not block and unit == "unit1"
                shortcut = F.avg_pool2d(x, 2) if grows else x
                if grows:
                    more = torch.zeros_like(shortcut[:, : shortcut.shape[1] // 2])
                    shortcut = torch.cat([more, shortcut, more], 1)
                latent = state[f"{path}.conv.weight"]
                centred = latent - latent.mean(dim=(1, 2, 3), keepdim=True)
                x = F.conv2d(sign(x), sign(centred), stride=1 + grows, padding=1)
                x = torch.cat([x * state[f"{path}.conv.factor"].view(1, -1, 1, 1)] * beta**2, 1)
                x = (norm(x, state, f"{path}.norm") + shortcut).clamp(-1, 1)
    features = norm(x.mean(dim=(2, 3))[:, :, None, None], state, "norm")[:, :, 0, 0]
    return features @ state["classifier.weight"].T + state["classifier.bias"]


def check_against_naive(name: str) -> None:
    torch.manual_seed(0)
    net = randomise(create(name).double()).eval()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    state = dict(net.state_dict())
    expected = recu(x, state, 2 if "rep" in name else 1) if "recu" in name else fda(x, state)
    with torch.no_grad():
        np.testing.assert_allclose(net(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_is_its_naive_form(name: str) -> None:
    check_against_naive(name)


def test_counts_by_hand() -> None:
    """The sheets' totals: binary weights, stem, norms, what each form adds, classifier."""
    binary, stem, norms, last = 267_264, 432, 2 * (7 * 16 + 6 * 32 + 6 * 64), 650
    assert entry("fda_resnet20").params == binary + stem + norms + 18 + last == 269_740
    factors = 6 * (16 + 32 + 64)
    assert entry("recu_resnet20").params == binary + stem + norms + factors + 128 + last == 270_522
    wide = 2 * norms - 2 * 16  # the stem's norm stands in front of the tiling
    counted = binary + stem + wide + factors // 2 + 256 + 1290
    assert entry("rep_recu_resnet20").params == counted == 272_298
    assert entry("fda_resnet20").macs == 40_108_032 + 442_368 + 640


def test_as_many_weights_and_products_however_wide_the_maps() -> None:
    plain, wide = entry("recu_resnet20"), entry("rep_recu_resnet20")
    assert wide.macs - plain.macs == 640  # of the classifier
    one = create("rep_recu_resnet20", repeats=1)
    assert [p.shape for p in one.parameters()] == [
        p.shape for p in create("recu_resnet20").parameters()
    ]
    with pytest.raises(ShapeError, match="repeats=3 does not divide 16 channels: give a divisor"):
        create("recu_resnet20", repeats=3)


def test_copies_differ_by_their_norm_alone() -> None:
    torch.manual_seed(0)
    unit = create("rep_recu_resnet20").eval().stages[1][1].unit1
    maps = unit.tile(unit.conv(unit.sign(torch.randn(1, 64, 8, 8))))
    assert maps.shape[1] == 64
    for copy in range(1, 4):
        assert torch.equal(maps[:, :16], maps[:, 16 * copy : 16 * copy + 16])


@pytest.mark.parametrize("name", ["bnn_resnet20", "recu_resnet20"])
def test_activations_of_two_bits(name: str) -> None:
    torch.manual_seed(0)
    net = create(name, activation_bits=2, estimator="window")
    seen: list[Tensor] = []
    for module in net.modules():
        if type(module).__name__ == "Quantise":
            module.register_forward_hook(lambda *call: seen.append(call[2]))
    net(torch.randn(2, 3, 32, 32)).sum().backward()
    assert len(seen) == 18
    assert {value for maps in seen for value in maps.unique().tolist()} == {-1.0, -0.5, 0.0, 0.5}
    assert all(p.grad is not None for p in net.parameters())
    with pytest.raises(UsageError, match="activations of several bits have none"):
        create("fda_resnet20", activation_bits=2)


def test_an_estimator_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="estimator='sines' is not offered"):
        create("fda_resnet20", estimator="sines")


def test_a_resnet18_has_four_stages() -> None:
    net = create("recu_resnet18").eval()
    maps = net.forward_features(torch.randn(1, 3, 16, 16))
    assert [tuple(x.shape[1:]) for x in maps] == [
        (64, 16, 16),
        (128, 8, 8),
        (256, 4, 4),
        (512, 2, 2),
    ]


@pytest.mark.parametrize("name", [*NAMES, "recu_vgg_small"])
def test_packed_it_answers_as_it_did(name: str) -> None:
    pytest.importorskip("numba")
    from fleetfoot.passes.pack_binary import pack_binary

    torch.manual_seed(0)
    net = randomise(create(name)).eval()
    for module in net.modules():  # sums of signs have other statistics than what `randomise` draws
        if isinstance(module, nn.BatchNorm2d):
            module.get_buffer("running_var").mul_(30)
    x = torch.randn(2, 3, 32, 32)
    packed = pack_binary(net, (3, 32, 32))
    with torch.no_grad():
        np.testing.assert_allclose(packed.net(x.numpy()), net(x), rtol=1e-3, atol=1e-3)
    assert len(packed.floats) == 2
