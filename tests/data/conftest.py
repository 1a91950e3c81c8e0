"""Small pictures and folders of them, made by functions that tests ask for as fixtures."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _noise(seed: int, *, height: int = 40, width: int = 48) -> np.ndarray:
    cells = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    image = Image.fromarray(cells).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _saved(picture: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """``noise(seed, height=40, width=48)``: every seed another picture, none near any other."""
    return _noise


@pytest.fixture(scope="session")
def saved() -> Callable[..., bytes]:
    """``saved(picture, "JPEG", **options)``: the content of a file."""
    return _saved


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """``make_folder({"train/cat": 3, ...})``: PNG files of noise; returns their root."""

    def make(counts: dict[str, int], name: str = "set") -> Path:
        root = tmp_path / name
        for number, (folder, count) in enumerate(counts.items()):
            (root / folder).mkdir(parents=True)
            for image in range(count):
                path = root / folder / f"{image:03}.png"
                path.write_bytes(_saved(_noise(1000 * number + image)))
        return root

    return make
