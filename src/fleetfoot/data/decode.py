"""The one way from a file, bytes, a picture or an array to pixels: uint8 (H, W, 3), RGB.

Used for training, calibration, evaluation and prediction alike. The rules, in this order:

size      a header that claims more than `MAX_PIXELS` is refused before memory is asked for
frames    of an animation or a multi-page file the first
EXIF      the picture is turned as its orientation tag says; a broken tag counts as none
16 bit    the high byte is kept (what Pillow does to 16-bit RGB, done to 16-bit grey as well)
alpha     composed on white, as a page would show it; a palette with a transparent entry too
the rest  grey, bilevel, palette, CMYK, YCbCr: Pillow's ``convert("RGB")``
refused   floating-point pictures (no stated range), truncated and damaged files, no pixels
Letters   H height, W width, C channels

Pillow is loaded when there is something to decode: arrays of RGB pixels do without it.
"""

import contextlib
import io
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, first_line

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]
ImageSource = Union[Path, bytes, NDArray[np.generic], "Image.Image"]

MAX_PIXELS = 89_478_485
"""Pillow's own limit for a harmless picture: a quarter of a GiB as RGB."""

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
"""Formats that are tried; the first five need no further plugin."""

ORIENTATION_TAG = 0x0112

TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What undoes each EXIF orientation, in Pillow's words; 1 needs nothing."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself, before it is turned and converted."""

    width: int
    height: int
    mode: str
    format: str
    orientation: int


def decode(source: ImageSource, *, name: str | None = None) -> Pixels:
    """Return the pixels of one image, full size.

    Args:
        source: a file, its content, a picture, or an array (H, W) or (H, W, 1|3|4) of uint8 or
            uint16.
        name: what the user calls it, for messages; a path is its own name.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        DataError: missing, unreadable, damaged, too large, or no image.
    """
    name = name or _name_of(source)
    if isinstance(source, np.ndarray):
        return _from_array(source, name)
    if isinstance(source, (Path, bytes)):
        with opened(source, name=name) as image:
            return pixels_of(image, name=name)
    return pixels_of(source, name=name)


def picture_of(array: NDArray[np.uint8]) -> "Image.Image":
    """Return Pillow's picture of an array (H, W), (H, W, 3) or (H, W, 4)."""
    from PIL import Image

    return Image.fromarray(array)


def read_header(source: Path | bytes, *, name: str | None = None) -> Header:
    """Return size, mode, format and EXIF orientation without decoding the pixels.

    Raises:
        DataError: as `decode`, but damage behind the header goes unseen.
    """
    with opened(source, name=name or _name_of(source)) as image:
        return header_of(image)


@contextlib.contextmanager
def opened(source: Path | bytes, *, name: str) -> "Generator[Image.Image]":
    """Yield the picture, its header read and its claimed size checked, its pixels not yet read."""
    from PIL import Image

    with contextlib.ExitStack() as stack:
        try:
            file = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
            stack.enter_context(file)
            image = Image.open(file, formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_large(name) from None
        except Image.UnidentifiedImageError:
            raise DataError(f"{name}: {_not_an_image(source)}") from None
        except OSError as error:
            raise DataError(f"{name}: {_os_reason(error)}") from error
        except Exception as error:  # a hostile header makes Pillow's parsers raise anything
            raise DataError(f"{name}: is a damaged image ({first_line(error)})") from error
        if image.width * image.height > MAX_PIXELS:
            raise _too_large(name, image)
        yield image


def header_of(image: "Image.Image") -> Header:
    """Return what an opened picture says of itself."""
    return Header(
        width=image.width,
        height=image.height,
        mode=image.mode,
        format=image.format or "",
        orientation=_orientation(image),
    )


def pixels_of(image: "Image.Image", *, name: str) -> Pixels:
    """Return the pixels of an opened picture by the rules above, uint8 (H, W, 3)."""
    from PIL import Image

    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, image)
    try:
        image.load()
        turn = TURNS.get(_orientation(image))
        turned = image if turn is None else image.transpose(Image.Transpose[turn])
        return np.asarray(_to_rgb(turned, image, name))
    except DataError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise DataError(
            f"{name}: is truncated or damaged ({first_line(error)}); replace or remove it"
        ) from error


def _to_rgb(image: "Image.Image", original: "Image.Image", name: str) -> "Image.Image":
    if image.mode == "RGB" and "transparency" not in original.info:
        return image
    if image.mode.startswith("I"):  # I;16, I;16B, and I, as which 16-bit PGM is read
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        return picture_of((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise DataError(
            f"{name}: is a floating-point image, whose range is unknown; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _on_white(image: "Image.Image") -> "Image.Image":
    page = picture_of(np.full((image.height, image.width, 4), 255, dtype=np.uint8))
    page.alpha_composite(image)
    return page.convert("RGB")


def _from_array(array: NDArray[np.generic], name: str) -> Pixels:
    plane = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    is_image = plane.ndim == 2 or (plane.ndim == 3 and plane.shape[2] in (3, 4))
    if not is_image or plane.size == 0:
        raise DataError(
            f"{name}: has shape {array.shape}; an image is (H, W), (H, W, 1), (H, W, 3) or "
            "(H, W, 4) and not empty"
        )
    if plane.dtype == np.uint16:
        plane = plane.astype(np.uint16) >> 8
    elif plane.dtype != np.uint8:
        raise DataError(f"{name}: holds {array.dtype} values; pass uint8 or uint16")
    pixels = plane.astype(np.uint8)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.shape[2] == 4:
        return np.asarray(_on_white(picture_of(pixels)))
    return pixels


def _orientation(image: "Image.Image") -> int:
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # a broken tag counts as none: the picture itself may be whole
        return 1
    return value if isinstance(value, int) and value in TURNS else 1


def _name_of(source: ImageSource) -> str:
    if isinstance(source, Path):
        return str(source)
    if isinstance(source, bytes):
        return "the image bytes"
    if isinstance(source, np.ndarray):
        return "the array"
    return getattr(source, "filename", "") or "the picture"


def _too_large(name: str, image: "Image.Image | None" = None) -> DataError:
    size = "" if image is None else f" ({image.width} x {image.height})"
    return DataError(
        f"{name}: claims more than {MAX_PIXELS // 10**6} million pixels{size}; scale it down"
    )


def _not_an_image(source: Path | bytes) -> str:
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    return "is empty (0 bytes); remove it" if size == 0 else "is not an image; replace or remove it"


def _os_reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "permission denied; make it readable"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not an image"
    if error.errno is None:  # Pillow's own
        return f"is truncated or damaged ({first_line(error)}); replace or remove it"
    return f"cannot be read ({error.strerror})"
