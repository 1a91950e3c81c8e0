"""How many bits count in the 16-bit grey pictures of a set: a camera of 12 fills 4095 of 65535.

The set decides, not the picture: a dark one stays dark. Training finds the depth and writes it into
the preprocessing contract; evaluation, prediction and the bundle take it from there.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from fleetfoot.data.decode import FULL_DEPTH
from fleetfoot.data.samples import Reader, Scan
from fleetfoot.data.scan import scan

DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "RGB;16", "RGBA;16", "LA;16")
SAMPLE = 256  # pictures that are decoded where a set was too large for a whole look


def depth_of_set(
    found: Scan, keys: Sequence[str], reader: Reader, *, wanted: int | None = None
) -> tuple[int, tuple[str, ...]]:
    """Return the bits that the 16-bit grey pictures of a set fill, and notes on it.

    Args:
        found: the look at the pictures, whole or of their headers alone.
        keys: of all pictures.
        reader: of the pictures.
        wanted: the depth of a network that is to read them; None for no network.
    """
    if not _decoded(found):
        deep = [key for key, fact in found.facts.items() if fact.header.mode in DEEP]
        some = deep if found.facts else list(keys)
        found = scan(some[:: 1 + len(some) // SAMPLE], reader, full=True)
    headers = [f.header for f in found.facts.values() if f.header.depth is not None]
    grey = max((h.depth or 0 for h in headers if h.mode.startswith("I")), default=FULL_DEPTH)
    colour = max((h.depth or 0 for h in headers if not h.mode.startswith("I")), default=FULL_DEPTH)
    notes = [_of_colour(colour)] if colour < FULL_DEPTH else []
    if wanted not in (None, grey) and any(h.mode.startswith("I") for h in headers):
        notes.append(
            f"16-bit pictures here fill {grey} bits, and the network was trained on {wanted}: "
            f"white is {(1 << wanted) - 1} here as there"
        )
    elif grey not in (wanted, FULL_DEPTH):
        white = (1 << grey) - 1
        notes.append(f"16-bit pictures fill {grey} bits: {white} is white, in every later use too")
    return grey, tuple(notes)


def at_depth(reader: Reader, depth: int) -> Reader:
    """Return a reader whose 16-bit grey pictures have this many bits that count."""
    keeper: Any = reader
    keeps = is_dataclass(reader) and any(field.name == "depth" for field in fields(reader))
    return replace(keeper, depth=depth) if keeps else keeper


def _of_colour(depth: int) -> str:
    return (
        f"16-bit pictures in colour, or with alpha, fill {depth} bits, of which Pillow keeps the "
        f"highest {max(depth - 8, 0)}: save them with 8 bits for each colour"
    )


def _decoded(found: Scan) -> bool:
    """Return whether the look went as far as the depth of pictures that have one."""
    facts = found.facts.values()
    return any(fact.pixels_sha256 is not None or fact.header.depth is not None for fact in facts)
