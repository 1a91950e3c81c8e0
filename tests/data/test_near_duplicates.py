import hashlib
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.data.decode import Header, decode
from fleetfoot.data.duplicates import exact_groups, gradient_hash, groups_of, thumbnail
from fleetfoot.data.near_duplicates import NEAR_BITS, NEAR_LEVELS, near_groups
from fleetfoot.data.samples import Facts

HEADER = Header(width=64, height=64, mode="RGB", format="PNG", orientation=1)


def facts(pixels: np.ndarray) -> Facts:
    height, width = pixels.shape[:2]
    header = Header(width=width, height=height, mode="RGB", format="PNG", orientation=1)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Facts(header, digest, gradient_hash(pixels), thumbnail(pixels))


def drawn(count: int, *, kinds: int, seed: int) -> dict[str, Facts]:
    """Facts around a few hashes and thumbnails, so that chains of near pairs are long."""
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2**63, kinds, dtype=np.uint64)
    levels = generator.integers(60, 70, kinds)
    found: dict[str, Facts] = {}
    for place in range(count):
        kind = int(generator.integers(kinds))
        flips = sum(1 << int(bit) for bit in generator.integers(0, 8, 3))
        level = levels[kind] + generator.integers(-9, 10) + generator.integers(-4, 5, 192)
        bits = int(hashes[kind]) ^ flips
        found[str(place)] = Facts(HEADER, str(place), bits, level.astype(np.uint8).tobytes())
    return found


@pytest.mark.parametrize("seed", range(6))
def test_groups_are_those_of_all_near_pairs_connected(seed: int) -> None:
    found = drawn(120, kinds=8, seed=seed)
    keys = list(found)

    def near(a: str, b: str) -> bool:
        bits = (found[a].gradient_hash or 0) ^ (found[b].gradient_hash or 0)
        first, second = (np.frombuffer(found[k].thumbnail or b"", np.uint8) for k in (a, b))
        apart = np.abs(first.astype(int) - second.astype(int)).mean()
        return bits.bit_count() <= NEAR_BITS and bool(apart <= NEAR_LEVELS)

    pairs = [(a, b) for i, a in enumerate(keys) for b in keys[:i] if near(a, b)]
    numbers = groups_of(keys, pairs)
    expected = {
        frozenset(key for key, other in zip(keys, numbers) if other == number)
        for number in numbers
        if numbers.count(number) > 1
    }
    assert 3 < len(expected) < 60
    assert {frozenset(group) for group in near_groups(found)} == expected


def test_a_fixed_camera_costs_what_its_frames_are() -> None:
    def seconds(count: int) -> float:
        found = drawn(count, kinds=1, seed=0)
        start = time.process_time()
        groups = near_groups(found)
        assert sum(map(len, groups)) > 0.9 * count
        return time.process_time() - start

    seconds(100)
    assert seconds(2_000) < 8 * seconds(500) + 0.2  # by the square it would be 16 times


def test_copies_come_with_their_image() -> None:
    found = drawn(3, kinds=1, seed=3)
    first = next(iter(found.values()))
    found = {"a": first, "b": first, "c": Facts(HEADER, "x", first.gradient_hash, first.thumbnail)}
    assert near_groups(found) == [["a", "b", "c"]]
    del found["c"]
    assert near_groups(found) == []


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
    found = near_groups({key: facts(pixels) for key, pixels in variants.items()})
    assert found == [["original", "again", "scaled", "brighter"]]


def test_flat_pictures_of_other_colours_are_not_near() -> None:
    flat = {str(level): np.full((64, 64, 3), level, np.uint8) for level in range(0, 250, 20)}
    assert near_groups({key: facts(pixels) for key, pixels in flat.items()}) == []


def test_tiny_pictures_count_only_when_equal() -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (28, 28, 3), dtype=np.uint8)
    found = {"a": facts(pixels), "b": facts(pixels), "c": facts(pixels + 1)}
    assert near_groups(found) == []
    assert exact_groups(found) == [["a", "b"]]


def test_no_pair_is_missed_among_thousands() -> None:
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, 2**63, 5_000, dtype=np.uint64)
    hashes[4_999] = hashes[10] ^ np.uint64(0b101)
    header = Header(width=64, height=64, mode="RGB", format="PNG", orientation=1)
    found = {
        str(place): Facts(header, str(place), int(bits), bytes(192))
        for place, bits in enumerate(hashes)
    }
    assert near_groups(found) == [["10", "4999"]]


def test_no_near_duplicates_among_different_photographs(data_dir: Path) -> None:
    paths = sorted((data_dir / "photos" / "val").rglob("*.jpg"))[:60]
    assert near_groups({path.name: facts(decode(path)) for path in paths}) == []


def test_a_real_photograph_saved_again(data_dir: Path) -> None:
    for path in sorted((data_dir / "photos" / "val" / "bird").iterdir())[:8]:
        pixels = decode(path)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((200, 150)).save(buffer, "JPEG", quality=70)
        again = decode(buffer.getvalue())
        assert near_groups({"a": facts(pixels), "b": facts(again)}) == [["a", "b"]], path.name
