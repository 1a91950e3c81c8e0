import numpy as np
import pytest
import tiny_run as tiny
import torch

from fleetfoot.data.loader import Loader
from fleetfoot.train.evaluate import evaluate_net


@pytest.mark.parametrize("images", [1, 2, 8, 9])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_every_image_once_in_order(images: int, layout: str) -> None:
    net, split = tiny.new_net(), tiny.split("val", images)
    loader = Loader(split, tiny.PREPROCESS, batch=4)
    found = evaluate_net(net, loader, layout=layout)
    assert found.indices.tolist() == list(range(images))
    assert found.labels.tolist() == split.labels.tolist()
    net.eval()
    pixels = np.stack([split.read(index) for index in range(images)])
    expected = net(torch.from_numpy(tiny.PREPROCESS.normalise(pixels))).detach().numpy()
    np.testing.assert_allclose(found.logits, expected, rtol=1e-4, atol=1e-5)
    assert found.logits.dtype == np.float32
    assert found.top1 == (expected.argmax(axis=1) == split.labels).mean()
    assert found.top5 is None


def test_the_mode_is_put_back() -> None:
    net = tiny.new_net()
    loader = Loader(tiny.split("val", 4), tiny.PREPROCESS, batch=4)
    assert evaluate_net(net, loader).logits.shape == (4, 3)
    assert net.training
    evaluate_net(net.eval(), loader)
    assert not net.training


def test_bfloat16_is_near_float32() -> None:
    net, loader = tiny.new_net(), Loader(tiny.split("val", 8), tiny.PREPROCESS, batch=4)
    exact = evaluate_net(net, loader).logits
    rough = evaluate_net(net, loader, precision="bfloat16").logits
    assert 0 < np.abs(exact - rough).max() < 0.1
