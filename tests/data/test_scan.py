from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.data.scan import refuse_damage, scan
from fleetfoot.data.source import FileReader


@pytest.fixture
def root(make_folder: Callable[..., Path]) -> Path:
    root = make_folder({"cat": 8})
    (root / "cat" / "003.png").write_text("a text")
    whole = (root / "cat" / "005.png").read_bytes()
    (root / "cat" / "005.png").write_bytes(whole[: len(whole) // 2])
    return root


KEYS = [f"cat/{number:03}.png" for number in range(8)]


def test_a_full_look_finds_every_damage(root: Path) -> None:
    found = scan(KEYS, FileReader(root), full=True)
    assert [damage.key for damage in found.damaged] == ["cat/003.png", "cat/005.png"]
    assert list(found.facts) == [key for key in KEYS if key not in ("cat/003.png", "cat/005.png")]
    facts = found.facts["cat/000.png"]
    assert (facts.header.width, facts.header.height, facts.header.format) == (48, 40, "PNG")
    assert facts.pixels_sha256 is not None


def test_headers_alone(root: Path) -> None:
    found = scan(KEYS, FileReader(root), full=False)
    assert [damage.key for damage in found.damaged] == ["cat/003.png"]
    assert found.facts["cat/000.png"].pixels_sha256 is None


def test_a_reader_without_files() -> None:
    found = scan(["a"], lambda _: np.zeros((5, 6, 3), np.uint8), full=True)
    assert found.facts["a"].header.format == "array"


def test_refusal_names_them_on_one_line(root: Path) -> None:
    found = scan(KEYS, FileReader(root), full=True)
    with pytest.raises(DataError) as caught:
        refuse_damage(found.damaged, images=found.images, skip_damaged=False)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("2 of 8 images cannot be used: cat/003.png: is not an image")
    assert "cat/005.png: is truncated or damaged" in message
    assert "--skip-damaged" in message
    refuse_damage(found.damaged, images=found.images, skip_damaged=True)


def test_many_are_counted(tmp_path: Path) -> None:
    found = scan([f"{number}.png" for number in range(9)], FileReader(tmp_path), full=True)
    with pytest.raises(DataError, match=r"4\.png: no such file; and 4 more \(--skip-damaged"):
        refuse_damage(found.damaged, images=found.images, skip_damaged=False)
