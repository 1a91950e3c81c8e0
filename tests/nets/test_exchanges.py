"""Layers in the place of others: every word, what is left alone, and that `create` rebuilds it."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.trace import trace
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_onnx import export_onnx
from fleetfoot.nets.catalog import note_option
from fleetfoot.nets.create import create, skeleton
from fleetfoot.nets.exchanges import ACTIVATIONS, insert_dropconnect, swap_activations
from fleetfoot.nets.portable import save_portable
from fleetfoot.ops.drop_connect import DropConnect
from fleetfoot.ops.fplus import FPLUS, PFPLUS


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    return nn.Sequential(*body, nn.ReLU(), nn.Linear(4, 3))


@pytest.mark.parametrize("word", ACTIVATIONS)
def test_every_activation_by_its_word(word: str) -> None:
    net = plain()
    keys = {*net.state_dict()}
    result = swap_activations(net, word)
    assert result.changed == ("1", "3")
    assert type(net[1]) is type(ACTIVATIONS[word](None))
    assert keys <= {*net.state_dict()}
    assert net(torch.randn(2, 6)).shape == (2, 3)
    assert swap_activations(net, "relu").changed == ("1", "3")  # and back again


def test_widths_of_channels_are_found_without_data() -> None:
    net = create("resnet20_cifar", num_classes=3)
    keys = [*net.state_dict()]
    result = swap_activations(net, "pfplus_channels")
    assert len(result.changed) == 19
    widths = [m.amplitude.numel() for m in net.modules() if isinstance(m, PFPLUS)]
    assert widths == [16] * 7 + [32] * 6 + [64] * 6
    assert [k for k in net.state_dict() if "amplitude" not in k and "scale" not in k] == keys


def test_an_activation_of_several_widths_cannot_have_channels() -> None:
    act = nn.ReLU()
    net = nn.Sequential(nn.Linear(6, 5), act, nn.Linear(5, 4), act)
    result = swap_activations(net, "pfplus_channels")
    assert result.changed == ()
    assert {skip.reason for skip in result.skipped} == {"it is called with several widths"}


def test_all_linear_layers_but_the_classifier_are_connected_loosely() -> None:
    net = plain()
    net[3] = nn.Tanh()
    result = insert_dropconnect(net, 0.5)
    assert result.changed == ("0",)
    reasons = {skip.site: skip.reason for skip in result.skipped}
    assert reasons == {"2": "no ReLU follows it", "4": "it is the classifier"}
    assert isinstance(net[0], DropConnect)
    assert insert_dropconnect(plain(), 0.5, inference="mean").changed == ("0", "2")
    assert insert_dropconnect(nn.Sequential(nn.ReLU()), 0.5).changed == ()
    headless = create("cuda_convnet_26", num_classes=0)
    assert insert_dropconnect(headless, 0.5).changed == ("hidden.0",)


@pytest.mark.parametrize(
    "options", [{"activation": "pfplus_channels"}, {"drop_connect": 0.5, "activation": "relu"}]
)
def test_portable_weights_rebuild(options, tmp_path) -> None:
    torch.manual_seed(0)
    net = create("cuda_convnet_26", num_classes=3, **options).eval()
    save_portable(tmp_path / "weights", net)
    again = create(f"local:{tmp_path / 'weights'}").eval()
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(again(x), net(x))
    assert again.created_as == net.created_as
    shapes = {
        name: t.shape for name, t in skeleton("cuda_convnet_26", **options).state_dict().items()
    }
    assert shapes != {name: t.shape for name, t in net.state_dict().items()}  # ten classes
    assert shapes.keys() == net.state_dict().keys()


def test_an_option_can_be_noted_afterwards() -> None:
    net = create("cuda_convnet_26", num_classes=3, dropout=0.1)
    swap_activations(net, "fplus")
    note_option(net, "activation", "fplus")
    assert net.created_as.options == {"dropout": 0.1, "activation": "fplus"}
    note_option(nn.ReLU(), "activation", "fplus")  # not made by `create`: nothing to note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "swish"}, "activation='swish'"),
        ({"activation": 3}, "activation=3"),
        ({"drop_connect": 1.5}, "keep=1.5"),
        ({"drop_connect": "half"}, "drop_connect='half'"),
    ],
)
def test_a_wrong_option_is_one_line(options, message) -> None:
    with pytest.raises(UsageError, match=message):
        create("cuda_convnet_26", **options)


def test_an_option_without_a_place_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no layer that drop_connect=0\.5 could replace"):
        create("resnet20_cifar", drop_connect=0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"activation": "pfplus_channels"}, {"activation": "fplus"}, {"drop_connect": 0.5}]
)
def test_engines_run_it(options, tmp_path) -> None:
    torch.manual_seed(0)
    net = create("cuda_convnet_26", num_classes=3, **options).eval()
    assert any(isinstance(m, (FPLUS, PFPLUS, DropConnect)) for m in net.modules())
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(trace(net)(x), net(x))
    file = export_onnx(net, tmp_path / "net.onnx", image=(3, 32, 32))
    for engine in ("onnxruntime", "openvino"):
        found = torch.from_numpy(open_engine(file, engine=engine).run(x.numpy()))
        torch.testing.assert_close(found, net(x).detach(), atol=1e-4, rtol=1e-3)
