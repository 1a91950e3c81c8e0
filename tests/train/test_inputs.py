import numpy as np
import pytest
import torch

from fleetfoot.data.preprocess import Preprocess
from fleetfoot.train.inputs import Normalise, autocast


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", [1, 3])
def test_equals_the_preprocessing_contract(layout: str, channels: int) -> None:
    mean, std = (120.0, 110.0, 100.0)[:channels], (60.0, 50.0, 40.0)[:channels]
    preprocess = Preprocess(6, 1.0, "bilinear", mean, std, channels)
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, channels), dtype=np.uint8)
    x = Normalise(preprocess, layout=layout, device=torch.device("cpu"))(torch.from_numpy(images))
    assert x.dtype == torch.float32
    np.testing.assert_allclose(x.numpy(), preprocess.normalise(images), rtol=1e-6, atol=1e-6)
    memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    assert x.is_contiguous(memory_format=memory)


def test_autocast_only_for_bfloat16() -> None:
    cpu = torch.device("cpu")
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(cpu, "float32"):
        assert layer(x).dtype == torch.float32
    with autocast(cpu, "bfloat16"):
        assert layer(x).dtype == torch.bfloat16
