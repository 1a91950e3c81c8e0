import contextlib
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from fleetfoot.core.errors import DataError
from fleetfoot.data.decode import (
    DEPTHS,
    MAX_PIXELS,
    ORIENTATION_TAG,
    TURNS,
    decode,
    depth_of,
    header_of,
    opened,
    pixels_of,
)

Noise = Callable[..., np.ndarray]
Saved = Callable[..., bytes]

LOSSLESS = {"WEBP": {"lossless": True}}

UNDO = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_file_its_bytes_a_picture_and_an_array_are_one(
    tmp_path: Path, noise: Noise, saved: Saved
) -> None:
    pixels = noise(0)
    path = tmp_path / "a.png"
    path.write_bytes(saved(pixels))
    for source in (path, path.read_bytes(), Image.fromarray(pixels), pixels):
        result = decode(source)
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, pixels)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_eight_orientations_give_one_array(kind: str, noise: Noise, saved: Saved) -> None:
    pixels = noise(1)
    for orientation in (1, *TURNS):
        turned = UNDO.get(orientation, lambda a: a)(pixels)
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = orientation
        content = saved(np.ascontiguousarray(turned), kind, exif=exif, **LOSSLESS.get(kind, {}))
        np.testing.assert_array_equal(decode(content), pixels, err_msg=str(orientation))
        with opened(content, name="x") as image:
            assert header_of(image).orientation == orientation


@pytest.mark.parametrize("mode", ["L", "I;16", "P", "RGBA", "1"])
def test_every_mode_can_be_turned(mode: str, noise: Noise, saved: Saved) -> None:
    upright = Image.fromarray(noise(1))
    upright = upright.quantize(64) if mode == "P" else upright.convert("L" if "I" in mode else mode)
    upright = upright.convert(mode) if mode == "I;16" else upright
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    expected = decode(saved(upright))
    np.testing.assert_array_equal(decode(saved(turned, exif=exif)), expected)
    assert expected.shape == (40, 48, 3)


def test_a_broken_orientation_tag_counts_as_none(noise: Noise, saved: Saved) -> None:
    pixels = noise(1)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 77
    np.testing.assert_array_equal(decode(saved(pixels, exif=exif)), pixels)


def test_grey_and_bilevel_are_repeated(noise: Noise, saved: Saved) -> None:
    grey = noise(2)[:, :, 0]
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(decode(saved(Image.fromarray(grey))), expected)
    for array in (grey, grey[:, :, None]):
        np.testing.assert_array_equal(decode(array), expected)
    bilevel = Image.fromarray(grey > 128)
    assert set(np.unique(decode(saved(bilevel)))) == {0, 255}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_keep_the_high_byte(kind: str, saved: Saved) -> None:
    values = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48) * 34
    expected = np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(decode(saved(Image.fromarray(values), kind)), expected)
    np.testing.assert_array_equal(decode(values), expected)


def test_alpha_is_composed_on_white(noise: Noise, saved: Saved) -> None:
    pixels = np.dstack([noise(3), np.zeros((40, 48), np.uint8)])
    pixels[:20, :, 3] = 255
    pixels[20, :, 3] = 128
    result = decode(saved(Image.fromarray(pixels)))
    np.testing.assert_array_equal(result[:20], pixels[:20, :, :3])
    assert (result[21:] == 255).all()
    alpha = 128 / 255
    np.testing.assert_allclose(result[20], pixels[20, :, :3] * alpha + 255 * (1 - alpha), atol=1)
    np.testing.assert_array_equal(decode(pixels), result)


def test_grey_with_alpha_and_palette_with_a_transparent_entry(noise: Noise, saved: Saved) -> None:
    grey = Image.fromarray(np.dstack([noise(4)[:, :, 0], np.zeros((40, 48), np.uint8)]))
    assert grey.mode == "LA"
    assert (decode(saved(grey)) == 255).all()
    palette = Image.fromarray(noise(4)).quantize(8)
    np.testing.assert_array_equal(decode(saved(palette)), np.asarray(palette.convert("RGB")))
    assert (decode(saved(palette, transparency=bytes(8))) == 255).all()
    rgb = Image.new("RGB", (4, 4), (10, 20, 30))
    assert (decode(saved(rgb, transparency=(10, 20, 30))) == 255).all()


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("YCbCr", "JPEG"), ("CMYK", "TIFF")])
def test_other_colour_spaces(mode: str, kind: str, saved: Saved) -> None:
    picture = Image.new("RGB", (32, 32), (200, 60, 20)).convert(mode)
    np.testing.assert_allclose(decode(saved(picture, kind)), [[(200, 60, 20)] * 32] * 32, atol=4)


def test_the_first_frame_of_an_animation(saved: Saved) -> None:
    frames = [Image.new("L", (8, 8), level) for level in (0, 200)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode(content) == 0).all()


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1)])
def test_extreme_shapes(shape: tuple[int, int], saved: Saved) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    assert decode(saved(pixels)).shape == (*shape, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(kind: str, keep: float, noise: Noise, saved: Saved) -> None:
    content = saved(noise(5, height=200, width=300), kind)
    with pytest.raises(DataError, match=r"^cat\.jpg: ") as caught:
        decode(content[: int(len(content) * keep)], name="cat.jpg")
    assert "\n" not in str(caught.value)


def test_a_truncated_progressive_jpeg_is_refused(noise: Noise, saved: Saved) -> None:
    content = saved(noise(5, height=200, width=300), "JPEG", progressive=True)
    with pytest.raises(DataError, match="truncated or damaged"):
        decode(content[: len(content) // 2])


@pytest.mark.parametrize("side", [20_000, 12_000, 9_800])
def test_a_header_that_claims_too_much_is_refused_before_allocation(
    side: int, noise: Noise, saved: Saved
) -> None:
    assert side * side > MAX_PIXELS
    with pytest.raises(DataError, match=r"huge\.png: claims more than 89 million pixels"):
        decode(png_header(side, side), name="huge.png")
    jpeg = bytearray(saved(noise(6), "JPEG"))
    place = jpeg.index(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = struct.pack(">HH", side, side)
    with pytest.raises(DataError, match="claims more than"):
        decode(bytes(jpeg))


def test_the_refusal_takes_no_memory() -> None:
    code = (
        "import resource, sys; from fleetfoot.data.decode import decode\n"
        "from fleetfoot.core.errors import DataError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: decode(sys.stdin.buffer.read())\n"
        "except DataError: pass\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "sys.exit(after - before > 20_000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], input=png_header(20_000, 20_000), check=False
    )
    assert done.returncode == 0


def test_what_is_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "note.jpg"
    text.write_text("this is a text")
    with pytest.raises(DataError, match=r"note\.jpg: is not an image"):
        decode(text)
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(DataError, match=r"empty\.jpg: is empty"):
        decode(empty)
    with pytest.raises(DataError, match=r"gone\.jpg: no such file"):
        decode(tmp_path / "gone.jpg")
    with pytest.raises(DataError, match="is a folder, not an image"):
        decode(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # tests may run as root, whom nothing stops
    with pytest.raises(DataError, match=r"note\.jpg: permission denied; make it readable"):
        decode(text)


def test_random_damage_never_escapes_as_another_error(noise: Noise, saved: Saved) -> None:
    generator = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        content = saved(Image.fromarray(noise(7)), kind)
        for _ in range(60):
            bad = bytearray(content)
            for place in generator.integers(0, len(bad), 8):
                bad[place] = generator.integers(256)
            with contextlib.suppress(DataError):
                assert decode(bytes(bad)).dtype == np.uint8


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_arrays_that_are_no_images(array: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"^the array: "):
        decode(array)


def test_floats_from_0_to_1_are_read(saved: Saved) -> None:
    values = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    expected = np.rint(values * 255).astype(np.uint8)
    np.testing.assert_array_equal(decode(saved(Image.fromarray(values), "TIFF"))[..., 0], expected)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([[0.0, 255.0]], np.float32), "from 0 to 255"),
        (np.array([[-0.5, 0.5]], np.float32), "from -0.5 to 0.5"),
        (np.array([[np.nan, 0.5]], np.float32), "from nan"),
        (np.array([[-1000, 3000]], np.int32), "from -1000 to 3000"),
        (np.array([[0, 70_000]], np.int32), "from 0 to 70000"),
    ],
)
def test_values_whose_white_is_unknown_are_refused(
    values: np.ndarray, said: str, saved: Saved
) -> None:
    with pytest.raises(DataError, match=f"has values {said}.*save it with 8 or 16 bits"):
        decode(saved(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", DEPTHS)
def test_as_many_bits_count_as_the_contract_says(bits: int, kind: str, saved: Saved) -> None:
    values = np.linspace(0, 2**bits - 1, 40 * 48).astype(np.uint16).reshape(40, 48)
    content = saved(Image.fromarray(values), kind)
    grey = decode(content, depth=bits)[..., 0]
    np.testing.assert_array_equal(grey, values // 2 ** (bits - 8))
    np.testing.assert_array_equal(decode(values, depth=bits)[..., 0], grey)
    with opened(content, name="x") as image:
        np.testing.assert_array_equal(pixels_of(image, name="x", depth="own")[..., 0], grey)
        assert depth_of(image) == bits
    assert (decode(np.full((2, 2), 65535, np.uint16), depth=bits) == 255).all()


@pytest.mark.parametrize(("kind", "exact"), [("AVIF", False), ("JPEG2000", True)])
def test_newer_formats_are_read(kind: str, exact: bool, noise: Noise, saved: Saved) -> None:
    pixels = noise(7) if exact else np.full((40, 48, 3), (200, 60, 20), np.uint8)
    np.testing.assert_allclose(decode(saved(pixels, kind)), pixels, atol=0 if exact else 4)


def test_of_several_pictures_in_a_jpeg_the_first_is_read(saved: Saved) -> None:
    frames = [Image.new("RGB", (16, 16), (level, 0, 0)) for level in (200, 10)]
    content = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(decode(content)[..., 0], 200, atol=2)


@pytest.mark.parametrize("where", ["text", "international", "icc_profile"])
def test_a_png_may_hold_megabytes_of_text(where: str, noise: Noise, saved: Saved) -> None:
    pixels, text = noise(1), "workflow " * 400_000
    if where == "icc_profile":
        content = saved(pixels, icc_profile=text.encode())
    else:
        info = PngImagePlugin.PngInfo()
        add = info.add_text if where == "text" else info.add_itxt
        add("workflow", text, zip=True)
        content = saved(pixels, pnginfo=info)
    assert len(content) < 100_000
    np.testing.assert_array_equal(decode(content), pixels)


def test_nothing_speaks_on_standard_error_beside_the_refusal(noise: Noise, saved: Saved) -> None:
    code = (
        "import random, sys\n"
        "from fleetfoot.core.errors import DataError\n"
        "from fleetfoot.data.decode import decode\n"
        "whole, draw, refused = sys.stdin.buffer.read(), random.Random(0), 0\n"
        "for _ in range(300):\n"
        "    content = bytearray(whole)\n"
        "    for _ in range(12): content[draw.randrange(len(content))] = draw.randrange(256)\n"
        "    try: decode(bytes(content))\n"
        "    except DataError: refused += 1\n"
        "print(refused)\n"
    )
    content = saved(noise(2), "TIFF", compression="tiff_lzw")
    done = subprocess.run(
        [sys.executable, "-c", code], input=content, capture_output=True, check=False
    )
    assert done.stderr == b""
    assert int(done.stdout) > 100


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "pillow-heif"),
        (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
        (b"%PDF-1.7", "PDF is not read"),
        (b"  <svg xmlns='x'/>", "SVG is not read"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    ],
)
def test_what_a_file_is_instead_is_said(start: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(start)
    with pytest.raises(DataError, match=said):
        decode(path)


def test_the_preview_in_a_raw_file_is_not_taken_for_it(
    tmp_path: Path, noise: Noise, saved: Saved
) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(saved(noise(0), "TIFF"))
    with pytest.raises(DataError, match="raw files of cameras are not read"):
        decode(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="is a pipe or a device"):
        decode(tmp_path / "a.jpg")


def test_the_header_alone(tmp_path: Path, noise: Noise, saved: Saved) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(noise(8), "JPEG")[:640])  # cut after the header
    with opened(path, name="a.jpg") as image:
        header = header_of(image)
    assert (header.width, header.height, header.mode, header.format) == (48, 40, "RGB", "JPEG")


def test_real_photographs(data_dir: Path) -> None:
    for path in sorted((data_dir / "photos" / "val" / "dog").iterdir())[:5]:
        with Image.open(path) as picture:
            np.testing.assert_array_equal(decode(path), np.asarray(picture.convert("RGB")))


def test_decoding_and_preprocessing_import_no_torch() -> None:
    code = (
        "import sys, fleetfoot.data.open_data, fleetfoot.data.preprocess, fleetfoot.data.audit\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_reads_no_files_loads_no_pillow() -> None:
    code = (
        "import sys, fleetfoot.data.loader, fleetfoot.data.duplicates, fleetfoot.train.steps\n"
        "assert not {'PIL', 'torchvision', 'sklearn', 'psutil', 'pyarrow'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
