import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fleetfoot.data import open_data as opening
from fleetfoot.data.depth import at_depth
from fleetfoot.data.open_data import open_data, open_for_evaluation, training_images
from fleetfoot.data.source import ArrayReader, FileReader


def pictures(root: Path, *, bits: int, dark: int = 2, count: int = 6) -> Path:
    """Grey pictures of 16 bits in two classes, some of them dark, the rest up to white."""
    generator = np.random.default_rng(0)
    for label in "ab":
        (root / label).mkdir(parents=True)
        for number in range(count):
            white = (1 << bits) - 1 if number >= dark else (1 << bits) // 10
            values = generator.integers(0, white, (40, 48), np.uint16)
            values[0, 0] = white
            Image.fromarray(values).save(root / label / f"{number}.png")
    return root


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_set_decides_and_a_dark_picture_stays_dark(tmp_path: Path, bits: int) -> None:
    data = open_data(str(pictures(tmp_path / "set", bits=bits)))
    assert data.depth == bits
    for split in data.splits.values():
        for sample in split.samples:
            largest = split.read(sample.index).max()
            assert largest == 255 if int(sample.key[2]) >= 2 else largest < 27
    said = [note for note in data.notes if "16-bit" in note]
    white = (1 << bits) - 1
    words = f"16-bit pictures fill {bits} bits: {white} is white, in every later use too"
    assert said == ([] if bits == 16 else [words])


def test_a_network_keeps_the_depth_that_it_was_trained_at(tmp_path: Path) -> None:
    spec = str(pictures(tmp_path / "set", bits=10))
    split = open_for_evaluation(spec, ("a", "b"), depth=12)
    assert max(split.read(sample.index).max() for sample in split.samples) == 1023 >> 4
    assert split.notes == (
        "16-bit pictures here fill 10 bits, and the network was trained on 12: white is 4095 "
        "here as there",
    )
    assert open_for_evaluation(spec, ("a", "b"), depth=10).notes == ()
    val = open_for_evaluation(spec, ("a", "b"), split="val", depth=12)
    rest = training_images(spec, besides=val)
    assert rest is not None
    assert rest.read(5).max() <= 1023 >> 4


def test_where_only_headers_are_read_some_pictures_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = str(pictures(tmp_path / "set", bits=12, dark=0))
    monkeypatch.setattr(opening, "FULL_LIMIT", 5)
    assert open_data(spec).depth == 12
    monkeypatch.setattr(opening, "HEADER_LIMIT", 6)
    assert open_data(spec).depth == 12


def test_sets_of_8_bits_know_nothing_of_it(make_folder: Callable[..., Path]) -> None:
    data = open_data(str(make_folder({"a": 4, "b": 4})))
    assert data.depth == 16
    assert data.notes == ()
    assert at_depth(FileReader(Path()), 12) == FileReader(Path(), 12)
    reader = ArrayReader({})
    assert at_depth(reader, 12) is reader


def test_of_16_bit_colour_that_is_dark_it_is_said(tmp_path: Path, saved: Callable) -> None:
    generator = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(4):
            values = generator.integers(0, 4096, (16, 16, 3)).astype(">u2")
            rows = b"".join(b"\0" + row.tobytes() for row in values)
            grey = saved(Image.new("RGB", (16, 16)))
            content = grey[:24] + b"\x10" + grey[25:29]  # 16 bits, in a header made for 8
            content += struct.pack(">I", zlib.crc32(content[12:29]))
            for kind, body in ((b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
                crc = zlib.crc32(kind + body)
                content += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)
            (tmp_path / label / f"{number}.png").write_bytes(content)
    data = open_data(str(tmp_path))
    assert data.depth == 16
    assert {fact.header.mode for fact in data.scan.facts.values()} == {"RGB;16"}
    assert data.notes == (
        "16-bit pictures in colour, or with alpha, fill 12 bits, of which Pillow keeps the "
        "highest 4: save them with 8 bits for each colour",
    )
