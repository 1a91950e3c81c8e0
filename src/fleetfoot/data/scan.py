"""One look at every image before a run: is it whole, what is it, and which others are like it.

Up to `FULL_LIMIT` images are decoded (damage anywhere in a file shows), up to `HEADER_LIMIT` only
their headers are read, beyond that nothing is; the notes say which. Who skips damaged images has
all of them decoded, however many: damage that was not looked for stops the run when the image is
read.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from fleetfoot.core.errors import DataError
from fleetfoot.data.decode import (
    Header,
    ImageSource,
    Pixels,
    depth_of,
    header_of,
    opened,
    pixels_of,
)
from fleetfoot.data.duplicates import gradient_hash, thumbnail
from fleetfoot.data.memory import threads
from fleetfoot.data.samples import Damage, Facts, Reader, Scan

FULL_LIMIT = 20_000
HEADER_LIMIT = 200_000
SHOWN = 5


def scan(keys: Sequence[str], reader: Reader, *, full: bool, decode: bool | None = None) -> Scan:
    """Look at images, several at a time.

    Args:
        keys: what to look at.
        reader: reads the keys; with a method ``source`` that gives a path or bytes, the header
            is seen too.
        full: decode the pixels, and keep what tells whether two images are alike.
        decode: decode the pixels though nothing is kept of them but damage; None as ``full``.
    """
    look = partial(_look, reader, full, full or bool(decode))
    with ThreadPoolExecutor(threads()) as pool:
        found = list(pool.map(look, keys))
    facts = {key: look for key, look in zip(keys, found) if isinstance(look, Facts)}
    damaged = tuple(look for look in found if isinstance(look, Damage))
    return Scan(facts=facts, damaged=damaged)


def refuse_damage(damaged: Sequence[Damage], *, images: int, skip_damaged: bool) -> None:
    """Stop at damaged images, unless they may be skipped.

    Raises:
        DataError: one line with the number of them and the first few by name.
    """
    if not damaged or skip_damaged:
        return
    listed = "; ".join(damage.reason for damage in damaged[:SHOWN])
    more = len(damaged) - SHOWN
    raise DataError(
        f"{len(damaged)} of {images} images cannot be used: "
        f"{listed}{f'; and {more} more' if more > 0 else ''} "
        "(--skip-damaged goes on without them)"
    )


def damage_notes(damaged: Sequence[Damage]) -> tuple[str, ...]:
    """Return what is said of images that were left out: the first few by name."""
    more = len(damaged) - SHOWN
    return (
        *(f"left out: {damage.reason}" for damage in damaged[:SHOWN]),
        *([f"left out: {more} more"] if more > 0 else ()),
    )


def _look(reader: Reader, full: bool, decode: bool, key: str) -> Facts | Damage:
    try:
        source: ImageSource | None = getattr(reader, "source", lambda _: None)(key)
        if not isinstance(source, Path | bytes):
            pixels = reader(key)
            return _facts(_array_header(pixels), pixels)
        with opened(source, name=key) as image:
            header = header_of(image)
            if not decode:
                return Facts(header)
            pixels = pixels_of(image, name=key, depth="own")
            header = replace(header, depth=depth_of(image, header))
            return _facts(header, pixels) if full else Facts(header)
    except DataError as error:
        return Damage(key, str(error))


def _facts(header: Header, pixels: Pixels) -> Facts:
    return Facts(
        header=header,
        pixels_sha256=_sha256(pixels),
        gradient_hash=gradient_hash(pixels),
        thumbnail=thumbnail(pixels),
    )


def _sha256(pixels: Pixels) -> str:
    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _array_header(pixels: Pixels) -> Header:
    height, width = pixels.shape[:2]
    return Header(width=width, height=height, mode="RGB", format="array", orientation=1)
