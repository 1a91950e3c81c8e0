import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from fleetfoot.core.errors import FleetfootError
from fleetfoot.deploy.engines import open_engine
from fleetfoot.deploy.export_onnx import export_onnx, quiet
from fleetfoot.deploy.form import GraphForm


@pytest.mark.parametrize("batch", [1, None])
def test_graph_equals_network(subject, tmp_path: Path, batch, capfd):
    file = export_onnx(subject.net, tmp_path / "m.onnx", image=(3, 24, 24), batch=batch)
    assert capfd.readouterr() == ("", "")
    engine = open_engine(file, engine="onnxruntime")
    assert engine.input_shape == (batch, 3, 24, 24)
    x = subject.preprocess.normalise(subject.crops)
    for count in (1, 2, 7):
        np.testing.assert_allclose(engine.run(x[:count]), subject.logits[:count], atol=1e-5)


def test_one_file_with_the_weights_inside(subject, tmp_path: Path):
    export_onnx(subject.net, tmp_path / "m.onnx", image=(3, 24, 24))
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("shape", [(1, 31), (40, 17), (5, 3), (24, 24)])
def test_preprocessing_in_the_graph_equals_numpy(uint8_file, subject, engine, shape):
    """On odd sizes: 1 pixel high, portrait, tiny, and already right."""
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    crop = subject.preprocess.crop(image)[None]
    with torch.inference_mode():
        expected = subject.net(torch.from_numpy(subject.preprocess.normalise(crop))).softmax(1)
    found = open_engine(uint8_file, engine=engine).run(crop)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.fixture(scope="module")
def uint8_file(subject, tmp_path_factory) -> Path:
    return export_onnx(
        subject.net,
        tmp_path_factory.mktemp("uint8") / "m.onnx",
        image=(3, 24, 24),
        form=GraphForm(layout="nhwc", preprocess=True, probabilities=True),
        preprocess=subject.preprocess,
    )


def test_training_mode_is_given_back(subject, tmp_path: Path):
    subject.net.train()
    try:
        export_onnx(subject.net, tmp_path / "m.onnx", image=(3, 24, 24))
        assert subject.net.training
    finally:
        subject.net.eval()


def test_a_network_that_cannot_be_captured_says_so_in_one_line(tmp_path: Path):
    class Odd(nn.Module):
        def forward(self, x):
            if x.sum() > 0:
                return x + 1
            return x

    with pytest.raises(FleetfootError, match="Odd cannot be exported to ONNX") as caught:
        export_onnx(Odd(), tmp_path / "m.onnx", image=(3, 8, 8))
    assert "\n" not in str(caught.value)


def test_quiet_swallows_words_and_warnings(capfd):
    with quiet():
        sys.stdout.write("chatter")
        warnings.warn("chatter", stacklevel=1)
    assert capfd.readouterr() == ("", "")
