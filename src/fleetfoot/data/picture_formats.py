"""Which formats of pictures are read, which are not and why, and Pillow made ready to read them.

Read      what cameras, browsers and archives write and Pillow decodes by itself; of a JPEG with
          several pictures (MPO) and of an animation the first. HEIC where `pillow_heif` is
          installed
Not read  PostScript, PDF and drawings run programs or have no pixels; TGA has no mark to know it
          by; raw files and layered ones need a developer's choices; DDS, ICO and their like hold
          no photographs. A file of a photograph that is not read counts as one that cannot be
          used, never as no picture; a drawing or a film is no picture
Limits    text, colour profiles and XMP inside a PNG may take `MOST_TEXT` bytes (Pillow's own limit
          is 1 MB, less than programs that keep their workflow in the file write)
"""

import contextlib
import ctypes
import logging
import warnings
from functools import cache
from pathlib import PurePath
from typing import Any

EXTENSIONS_OF = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
}
EXTENSIONS = frozenset(ext for extensions in EXTENSIONS_OF.values() for ext in extensions)
MOST_TEXT = 256 << 20

_HEIC = "HEIC is read where `python -m pip install pillow-heif` was run; or save it as JPEG"
_RAW = "raw files of cameras are not read; develop it to JPEG or TIFF"
_OTHER = "this format is not read; save it as PNG or JPEG"
_RAW_EXTENSIONS = (
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".raf", ".orf"),
    *(".rw2", ".pef", ".srw", ".3fr", ".x3f", ".erf", ".kdc", ".mrw", ".iiq", ".raw"),
)
UNREAD = {
    **dict.fromkeys((".heic", ".heif", ".hif", ".heics", ".heifs"), _HEIC),
    **dict.fromkeys(_RAW_EXTENSIONS, _RAW),
    **dict.fromkeys((".jxl", ".jxr", ".wdp", ".hdp", ".psd", ".psb", ".xcf", ".tga"), _OTHER),
    **dict.fromkeys((".qoi", ".exr", ".hdr", ".fits", ".fit", ".dcm", ".pcx", ".sgi"), _OTHER),
}
"""Photographs that are not read, by the end of their name, and what to do."""

_MARKS = (
    (b"ftyphei", _HEIC),
    (b"ftyphev", _HEIC),
    (b"ftypmif1", _HEIC),
    (b"ftypmsf1", _HEIC),
    (b"\xff\x0a", "JPEG XL is not read; save it as PNG or JPEG"),
    (b"JXL ", "JPEG XL is not read; save it as PNG or JPEG"),
    (b"8BPS", "Photoshop files are not read; save it as PNG or JPEG"),
    (b"%PDF", "PDF is not read; save its pages as PNG or JPEG"),
    (b"%!PS", "PostScript is not read; save it as PNG or JPEG"),
    (b"<svg", "SVG is not read; save it as PNG"),
    (b"version https://git-lfs", "is a pointer of Git LFS; run `git lfs pull`"),
)


def why_unread(name: str, start: bytes = b"") -> str | None:
    """Return why a file is not read, by its first bytes or its name; None if nothing is known."""
    places = (start, start[4:], start.lstrip())  # a box of HEIC begins with its size
    for mark, words in _MARKS:
        if any(place.startswith(mark) for place in places):
            return words
    return UNREAD.get(PurePath(name).suffix.lower())


@cache
def formats() -> tuple[str, ...]:
    """Return the formats to try, in Pillow's words, and make Pillow ready for them once."""
    from PIL import PngImagePlugin

    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MOST_TEXT
    _silence()
    return (*EXTENSIONS_OF, *_heif())


def _silence() -> None:
    """Stop what speaks on standard error beside Pillow's exceptions, which say enough.

    That is Pillow's warnings, its log where nobody listens, and libtiff.
    """
    from PIL import Image

    warnings.filterwarnings("ignore", module=r"PIL\b")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with contextlib.suppress(OSError, AttributeError):  # Pillow was built without libtiff
        handler: Any = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        handler(None)


def _heif() -> tuple[str, ...]:
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]
    except Exception:  # absent, or a broken binary, which raises anything
        return ()
    heif: Any = pillow_heif
    heif.register_heif_opener()
    return ("HEIF",)
