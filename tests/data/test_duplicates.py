import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fleetfoot.data.decode import Header, decode
from fleetfoot.data.duplicates import exact_groups, gradient_hash, near_pairs, thumbnail
from fleetfoot.data.samples import Facts


def facts(pixels: np.ndarray) -> Facts:
    height, width = pixels.shape[:2]
    header = Header(width=width, height=height, mode="RGB", format="PNG", orientation=1)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Facts(header, digest, gradient_hash(pixels), thumbnail(pixels))


def test_the_hash_against_numpy() -> None:
    cells = np.random.default_rng(0).integers(0, 256, (8, 9), dtype=np.uint8)
    pixels = np.repeat(cells.repeat(8, axis=0).repeat(8, axis=1)[:, :, None], 3, axis=2)
    falls = [row[place + 1] < row[place] for row in cells for place in range(8)]
    bits = "".join("1" if fall else "0" for fall in falls)
    assert gradient_hash(pixels) == int(bits, 2)


def test_saved_again_scaled_and_brightened_is_near(noise: Callable, saved: Callable) -> None:
    original = noise(0, height=120, width=160)
    image = Image.fromarray(original)
    variants = {
        "original": original,
        "again": decode(saved(original, "JPEG", quality=60)),
        "scaled": np.asarray(image.resize((80, 60), Image.Resampling.LANCZOS)),
        "brighter": np.clip(original.astype(int) + 3, 0, 255).astype(np.uint8),
        "other": noise(1, height=120, width=160),
    }
    pairs = near_pairs({key: facts(pixels) for key, pixels in variants.items()})
    assert {key for pair in pairs for key in pair} == {"original", "again", "scaled", "brighter"}
    assert len(pairs) == 6


def test_flat_pictures_of_other_colours_are_not_near() -> None:
    flat = {str(level): np.full((64, 64, 3), level, np.uint8) for level in range(0, 250, 20)}
    assert near_pairs({key: facts(pixels) for key, pixels in flat.items()}) == []


def test_tiny_pictures_count_only_when_equal() -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (28, 28, 3), dtype=np.uint8)
    found = {"a": facts(pixels), "b": facts(pixels), "c": facts(pixels + 1)}
    assert near_pairs(found) == []
    assert exact_groups(found) == [["a", "b"]]


def test_no_pair_is_missed_at_the_border_of_a_block() -> None:
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, 2**63, 5_000, dtype=np.uint64)
    hashes[4_999] = hashes[10] ^ np.uint64(0b101)
    header = Header(width=64, height=64, mode="RGB", format="PNG", orientation=1)
    found = {
        str(place): Facts(header, str(place), int(bits), bytes(192))
        for place, bits in enumerate(hashes)
    }
    assert near_pairs(found) == [("10", "4999")]


def test_no_near_duplicates_among_different_photographs(data_dir: Path) -> None:
    paths = sorted((data_dir / "photos" / "val").rglob("*.jpg"))[:60]
    assert near_pairs({path.name: facts(decode(path)) for path in paths}) == []


def test_a_real_photograph_saved_again(data_dir: Path) -> None:
    for path in sorted((data_dir / "photos" / "val" / "bird").iterdir())[:8]:
        pixels = decode(path)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((200, 150)).save(buffer, "JPEG", quality=70)
        again = decode(buffer.getvalue())
        assert near_pairs({"a": facts(pixels), "b": facts(again)}) == [("a", "b")], path.name
