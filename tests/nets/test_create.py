"""`create` and `list_nets`, the two names of the public surface."""

from pathlib import Path

import pytest
import torch

import fleetfoot
from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.nets.create import create, list_nets, skeleton
from fleetfoot.nets.portable import save_portable
from fleetfoot.passes.fold_batch_norm import fold_batch_norm


def test_names_and_patterns() -> None:
    assert fleetfoot.list_nets() == sorted(list_nets())
    assert list_nets("*efficientnet_lite0") == ["efficientnet_lite0", "tf_efficientnet_lite0"]
    assert len(list_nets("fasternet_*")) == 6
    assert list_nets("nothing*") == []


def test_a_skeleton_draws_no_random_number() -> None:
    before = torch.get_rng_state()
    net = skeleton("alexnet")
    assert net.min_size == 63
    assert all(parameter.is_meta for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), before)


def test_features_are_those_of_a_network_but_are_not_saved(tmp_path: Path) -> None:
    net = create("resnet18", features_only=True)
    assert net.created_as == create("resnet18").created_as
    with pytest.raises(UsageError, match="FeatureNet: only whole networks"):
        save_portable(tmp_path / "w", net)


def test_features_only() -> None:
    net = create("fasternet_t0", features_only=True).eval()
    maps = net(torch.randn(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (40, 16, 16),
        (80, 8, 8),
        (160, 4, 4),
        (320, 2, 2),
    ]
    assert [item.channels for item in net.feature_info] == [40, 80, 160, 320]


def test_local_folder(tmp_path: Path) -> None:
    net = create("fleetnet_small", num_classes=3, in_chans=1, width=0.25).eval()
    save_portable(tmp_path / "weights", net)
    again = create(f"local:{tmp_path / 'weights'}").eval()
    x = torch.randn(2, 1, 16, 16)
    assert torch.equal(again(x), net(x))
    assert again.created_as == net.created_as
    assert create(f"local:{tmp_path / 'weights'}", num_classes=7).classifier.out_features == 7
    assert create(f"local:{tmp_path / 'weights'}", features_only=True).feature_info[0].stage == 0


def test_a_class_map_is_an_option_of_every_network(tmp_path: Path) -> None:
    net = create("fleetnet_small", num_classes=3, width=0.25, class_map=5).eval()
    torch.nn.init.normal_(net.classifier.log_shares)
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(net(x), net.classifier(net.forward_pooled(x)))
    folded = fold_batch_norm(net).model
    torch.testing.assert_close(folded(x), net(x), rtol=1e-4, atol=1e-4)
    save_portable(tmp_path / "weights", net)
    again = create(f"local:{tmp_path / 'weights'}").eval()
    assert torch.equal(again(x), net(x))
    assert again.created_as == net.created_as
    pooled = create("fleetnet_small", num_classes=0, class_map=5).eval()
    assert torch.equal(pooled(x), pooled.forward_pooled(x))
    with pytest.raises(UsageError, match="class_map=-1 is too small"):
        create("fleetnet_small", class_map=-1)


def test_refusals_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'fastnet_t0' is not a network; nearest: fasternet_t0"):
        create("fastnet_t0")
    with pytest.raises(UsageError, match="no trained weights are known for fasternet_t0"):
        create("fasternet_t0", pretrained=True)
    with pytest.raises(DataError, match=r"config\.json"):
        create(f"local:{tmp_path}")
