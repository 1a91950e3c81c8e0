"""The one way from a file, bytes, a picture or an array to pixels: uint8 (H, W, 3), RGB.

Used for training, calibration, evaluation and prediction alike. The rules, in this order:

size      a header that claims more than `MAX_PIXELS` is refused before memory is asked for
frames    of an animation or a multi-page file the first
EXIF      the picture is turned as its orientation tag says; a broken tag counts as none
16 bit    the highest 8 of the bits that count are kept. In colour Pillow takes the high byte; in
          grey `depth` says how many bits count: 12 where white is 4095. A set's own is part of the
          preprocessing contract (`depth_of` finds it); what lies above it is white
float     0 to 1 is black to white
alpha     composed on white, as a page would show it; a palette with a transparent entry too
the rest  grey, bilevel, palette, CMYK, YCbCr: Pillow's ``convert("RGB")``
refused   other ranges: floats beyond 0 to 1, negative values, values of more than 16 bits;
          truncated and damaged files, no pixels. `picture_formats` has the formats
Letters   H height, W width, C channels

Pillow is loaded when there is something to decode: arrays of RGB pixels do without it.
"""

import contextlib
import io
import re
import stat
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Union

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, first_line
from fleetfoot.data.picture_formats import formats, why_unread

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]
ImageSource = Union[Path, bytes, NDArray[np.generic], "Image.Image"]

MAX_PIXELS = 89_478_485
"""Pillow's own limit for a harmless picture: a quarter of a GiB as RGB."""

FULL_DEPTH = 16
DEPTHS = (8, 10, 12, 14, FULL_DEPTH)
"""Bits that the values of a 16-bit grey picture may fill."""

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
    """What a file says of itself, before it is turned and converted.

    ``depth`` is the bits that values fill, of a decoded picture with more than 8.
    """

    width: int
    height: int
    mode: str
    format: str
    orientation: int
    depth: int | None = None


def decode(source: ImageSource, *, name: str | None = None, depth: int = FULL_DEPTH) -> Pixels:
    """Return the pixels of one image, full size.

    Args:
        source: a file, its content, a picture, or an array (H, W) or (H, W, 1|3|4) of uint8 or
            uint16.
        name: what the user calls it, for messages; a path is its own name.
        depth: bits that count in 16-bit grey values.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        DataError: missing, unreadable, damaged, too large, or no image.
    """
    name = name or _name_of(source)
    if isinstance(source, np.ndarray):
        return _from_array(source, name, depth)
    if isinstance(source, (Path, bytes)):
        with opened(source, name=name) as image:
            return pixels_of(image, name=name, depth=depth)
    return pixels_of(source, name=name, depth=depth)


def picture_of(array: NDArray[np.uint8]) -> "Image.Image":
    """Return Pillow's picture of an array (H, W), (H, W, 3) or (H, W, 4)."""
    from PIL import Image

    return Image.fromarray(array)


@contextlib.contextmanager
def opened(source: Path | bytes, *, name: str) -> "Generator[Image.Image]":
    """Yield the picture, its header read and its claimed size checked, its pixels not yet read."""
    from PIL import Image

    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_file_of(source, name))
            image = Image.open(file, formats=formats())
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_large(name) from None
        except Image.UnidentifiedImageError:
            raise DataError(f"{name}: {_not_an_image(source, name)}") from None
        except DataError:
            raise
        except OSError as error:
            raise DataError(f"{name}: {_os_reason(error)}") from error
        except Exception as error:  # a hostile header makes Pillow's parsers raise anything
            raise DataError(f"{name}: is a damaged image ({first_line(error)})") from error
        if image.format == "TIFF" and (why := why_unread(name)):  # a raw file's small preview
            raise DataError(f"{name}: {why}")
        if image.width * image.height > MAX_PIXELS:
            raise _too_large(name, image)
        yield image


def _file_of(source: Path | bytes, name: str) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not stat.S_ISREG(source.stat().st_mode) and not source.is_dir():  # reading would wait
        raise DataError(f"{name}: is a pipe or a device, not a file")
    return source.open("rb")


def header_of(image: "Image.Image") -> Header:
    """Return what an opened picture says of itself, before it is decoded."""
    deep = any(
        re.search(r"\b(RGB\w*|LA);16", str(tile.args)) for tile in getattr(image, "tile", ())
    )
    return Header(
        width=image.width,
        height=image.height,
        mode=f"{image.mode};16" if deep else image.mode,
        format=image.format or "",
        orientation=_orientation(image),
    )


def pixels_of(
    image: "Image.Image", *, name: str, depth: int | Literal["own"] = FULL_DEPTH
) -> Pixels:
    """Return the pixels of an opened picture by the rules above, uint8 (H, W, 3)."""
    from PIL import Image

    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, image)
    try:
        image.load()
        turn = TURNS.get(_orientation(image))
        turned = image if turn is None else image.transpose(Image.Transpose[turn])
        bits = (depth_of(image) or FULL_DEPTH) if depth == "own" else depth
        return np.asarray(_to_rgb(turned, image, name, bits))
    except DataError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise DataError(
            f"{name}: is truncated or damaged ({first_line(error)}); replace or remove it"
        ) from error


def depth_of(image: "Image.Image", header: Header | None = None) -> int | None:
    """Return the bits that a decoded picture's values fill; None where it has 8 at most.

    Args:
        image: decoded.
        header: what `header_of` said before; without it 16 bits in colour or beside alpha are not
            known.
    """
    largest: Any = image.getextrema()
    if image.mode.startswith("I"):
        most = largest[1]
    elif header is not None and header.mode.endswith(";16"):  # Pillow has dropped the low bytes
        most = max(high for _, high in largest[: 1 if image.mode == "LA" else 3]) << 8
    else:
        return None
    return next((bits for bits in DEPTHS if most < 1 << bits), FULL_DEPTH)


def _to_rgb(image: "Image.Image", original: "Image.Image", name: str, depth: int) -> "Image.Image":
    if image.mode == "RGB" and "transparency" not in original.info:
        return image
    if image.mode == "F" or image.mode.startswith("I"):  # I is 32 bits, as which 16-bit PGM is read
        return picture_of(_levels(np.asarray(image), name, depth)).convert("RGB")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _levels(values_HW: NDArray[np.generic], name: str, depth: int) -> Pixels:
    """Return the grey levels of values with more than 8 bits, (H, W)."""
    low, high = float(values_HW.min()), float(values_HW.max())
    most = 1 if values_HW.dtype.kind == "f" else (1 << FULL_DEPTH) - 1
    if not 0 <= low <= high <= most:  # nor is it where a value is not a number
        raise DataError(
            f"{name}: has values from {low:g} to {high:g}, and what is white among them is "
            "unknown; save it with 8 or 16 bits, or as floats from 0 to 1"
        )
    if most == 1:
        return np.rint(values_HW.astype(np.float64) * 255).astype(np.uint8)
    return (values_HW.astype(np.int64) >> (depth - 8)).clip(0, 255).astype(np.uint8)


def _on_white(image: "Image.Image") -> "Image.Image":
    page = picture_of(np.full((image.height, image.width, 4), 255, dtype=np.uint8))
    page.alpha_composite(image)
    return page.convert("RGB")


def _from_array(array: NDArray[np.generic], name: str, depth: int) -> Pixels:
    plane = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    is_image = plane.ndim == 2 or (plane.ndim == 3 and plane.shape[2] in (3, 4))
    if not is_image or plane.size == 0:
        raise DataError(
            f"{name}: has shape {array.shape}; an image is (H, W), (H, W, 1), (H, W, 3) or "
            "(H, W, 4) and not empty"
        )
    if plane.dtype == np.uint16:
        plane = _levels(plane, name, depth)
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


def _not_an_image(source: Path | bytes, name: str) -> str:
    if isinstance(source, bytes):
        start = source[:32]
    else:
        with source.open("rb") as file:
            start = file.read(32)
    if not start:
        return "is empty (0 bytes); remove it"
    return why_unread(name, start) or "is not an image; replace or remove it"


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
