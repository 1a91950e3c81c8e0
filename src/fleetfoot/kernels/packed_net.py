"""A network of bits as a list of calls on arrays, in memory and in a file: no torch.

File     ``.npz`` without pickles: ``program``, JSON of the calls with their numbers, and the arrays
         of call i under ``i.name``. Reading it runs no code but `packed_steps`
Letters  N batch, C channels, H height, W width
"""

import dataclasses
import json
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError
from fleetfoot.kernels.packed_bits import PackedConv
from fleetfoot.kernels.packed_steps import (
    STEPS,
    FloatConv,
    FloatLinear,
    Floats,
    PackedLinear,
    Step,
)

FORMAT = 1
KINDS = {kind.__name__: kind for kind in STEPS}


@dataclass(frozen=True)
class Call:
    """A step and the values it takes; value 0 are the images, value i + 1 is what call i gives."""

    step: Step
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class PackedNet:
    """Images (N, C, H, W), as the network takes them, to logits (N, classes).

    Attributes:
        calls: one after another.
        image: (C, H, W) of one image.
    """

    calls: tuple[Call, ...]
    image: tuple[int, int, int]

    def __call__(self, images: Floats) -> Floats:
        return self._run(images)[0]

    def seconds(self, images: Floats) -> list[float]:
        """Return the time of each call on these images."""
        return self._run(images)[1]

    @property
    def outputs(self) -> int | None:
        """How many numbers an image gives; None where the last step does not say."""
        for call in reversed(self.calls):
            for name in ("factor", "bias"):
                if hasattr(call.step, name):
                    return len(getattr(call.step, name))
        return None

    @property
    def bit_bytes(self) -> int:
        """Bytes of the weights that are packed."""
        layers = (c.step for c in self.calls if isinstance(c.step, (PackedConv, PackedLinear)))
        return sum(layer.words.nbytes for layer in layers)

    @property
    def float_bytes(self) -> int:
        """Bytes of everything else: float layers, thresholds, norms."""
        arrays = (array for call in self.calls for array in _arrays(call.step).values())
        return sum(array.nbytes for array in arrays) - self.bit_bytes

    def float_share(self, images: Floats, *, rounds: int = 5) -> float:
        """Return the share of a call's time that passes in layers of real weights."""
        self(images)
        runs = [self.seconds(images) for _ in range(rounds)]
        middle = np.median(runs, axis=0)
        real = [isinstance(call.step, (FloatConv, FloatLinear)) for call in self.calls]
        return float(middle[real].sum() / middle.sum())

    def _run(self, images: Floats) -> tuple[Any, list[float]]:
        values: list[Any] = [images] + [None] * len(self.calls)
        seconds: list[float] = []
        for place, call in enumerate(self.calls):
            begun = time.perf_counter()
            values[place + 1] = call.step(*(values[i] for i in call.inputs))
            seconds.append(time.perf_counter() - begun)
            for value in self._last_used[place]:
                values[value] = None
        return values[-1], seconds

    @cached_property
    def _last_used(self) -> Sequence[Sequence[int]]:
        last = {value: place for place, call in enumerate(self.calls) for value in call.inputs}
        return [[v for v, end in last.items() if end == place] for place in range(len(self.calls))]


def save_packed(net: PackedNet, path: Path) -> Path:
    """Write a network to a file and return its path."""
    arrays: dict[str, NDArray[Any]] = {}
    program: list[dict[str, Any]] = []
    for place, call in enumerate(net.calls):
        arrays |= {f"{place}.{name}": array for name, array in _arrays(call.step).items()}
        numbers = {k: v for k, v in _fields(call.step).items() if not isinstance(v, np.ndarray)}
        kind = type(call.step).__name__
        program.append({"step": kind, "inputs": call.inputs, "numbers": numbers})
    text = json.dumps({"format": FORMAT, "image": net.image, "calls": program})
    with path.open("wb") as stream:
        np.savez(stream, program=np.frombuffer(text.encode(), np.uint8), **arrays)  # pyright: ignore[reportArgumentType]
    return path


def load_packed(path: Path) -> PackedNet:
    """Read a network.

    Raises:
        DataError: the file is missing, damaged, or of a format or step that is not known.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            content = json.loads(file["program"].tobytes())
            if content["format"] != FORMAT:
                raise DataError(
                    f"{path}: packed format {content['format']!r} is not known; this version "
                    f"reads format {FORMAT}: deploy again"
                )
            calls = [_call(place, row, file) for place, row in enumerate(content["calls"])]
            channels, height, width = map(int, content["image"])
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no packed network, or damaged; deploy again") from error
    return PackedNet(tuple(calls), (channels, height, width))


def _call(place: int, row: dict[str, Any], file: Any) -> Call:
    kind = KINDS[row["step"]]
    names = {f.name for f in dataclasses.fields(kind) if f.init and not f.name.startswith("_")}
    arrays = {name: file[f"{place}.{name}"] for name in names - set(row["numbers"])}
    inputs = tuple(int(value) for value in row["inputs"])
    if not all(0 <= value <= place for value in inputs):
        raise ValueError(f"call {place} takes a value that is not there yet")
    return Call(kind(**row["numbers"], **arrays), inputs)


def _fields(step: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(step).items() if not name.startswith("_")}


def _arrays(step: Any) -> dict[str, NDArray[Any]]:
    return {name: v for name, v in _fields(step).items() if isinstance(v, np.ndarray)}
