"""The preprocessing contract: from decoded pixels to the numbers a network reads.

One record travels with every weight file and bundle, so that training, evaluation, calibration and
prediction crop and scale in exactly one way: the centre square of side ``crop_fraction`` times the
short side, resized by Pillow in one step, then an affine map per channel.

Letters  N batch, S size, C channels, H height, W width
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, ShapeError
from fleetfoot.data.decode import DEPTHS, FULL_DEPTH, Pixels, picture_of

SCHEMA = "fleetfoot.preprocess/1"

FILTERS = {"nearest": 0, "box": 4, "bilinear": 2, "bicubic": 3, "lanczos": 1}
"""Pillow's number of each filter."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes a network's input.

    Attributes:
        size: side of the square input, pixels.
        crop_fraction: side of the centre square that is kept, as a share of the short side.
        interpolation: a name in `FILTERS`.
        mean: per channel, on the 0-255 scale.
        std: per channel, on the 0-255 scale.
        channels: 3 (RGB) or 1 (grey, Pillow's "L").
        depth: bits that count in 16-bit grey pictures, for `decode`: 12 where 4095 is white.
    """

    size: int
    crop_fraction: float
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int = 3
    depth: int = FULL_DEPTH

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem is not None:
            raise DataError(f"preprocess: {problem}")

    def crop(self, image: Pixels) -> Pixels:
        """Return the centre square of an image at the input's size.

        An image that already has exactly that size is returned as it is, so that cropping twice
        is cropping once.

        Args:
            image: uint8 (H, W, 3), as `decode` gives it.

        Returns:
            uint8 (S, S, C).
        """
        height, width = image.shape[:2]
        if (height, width) == (self.size, self.size):
            box = None
        else:
            side = min(height, width) * self.crop_fraction
            left, top = (width - side) / 2, (height - side) / 2
            box = (left, top, left + side, top + side)
        return self.cut(image, box)

    def cut(self, image: Pixels, box: Box | None) -> Pixels:
        """Return one box (left, top, right, bottom; pixels) of an image at the input's size."""
        if box is None and self.channels == image.shape[2]:
            return image
        picture = picture_of(image if image.shape[2] == 3 else image[:, :, 0])
        if self.channels == 1:
            picture = picture.convert("L")
        if box is not None:
            shape = (self.size, self.size)
            picture = picture.resize(shape, FILTERS[self.interpolation], box=box)
        pixels = np.asarray(picture)
        return pixels if pixels.ndim == 3 else pixels[:, :, None]

    def normalise(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return ``(batch - mean) / std``, channels first.

        Args:
            batch: uint8 (N, H, W, C).

        Returns:
            float32 (N, C, H, W), contiguous.
        """
        if batch.ndim != 4 or batch.shape[3] != self.channels:
            raise ShapeError(
                f"normalise needs (N, H, W, {self.channels}), got shape {tuple(batch.shape)}"
            )
        mean_C = np.asarray(self.mean, dtype=np.float32)
        std_C = np.asarray(self.std, dtype=np.float32)
        scaled_NHWC = (batch.astype(np.float32) - mean_C) / std_C
        return np.ascontiguousarray(scaled_NHWC.transpose(0, 3, 1, 2))

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``preprocess.json``."""
        lists = {"mean": list(self.mean), "std": list(self.std)}
        record = {"schema": SCHEMA, **asdict(self), **lists}
        if self.depth == FULL_DEPTH:
            del record["depth"]
        return record

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Preprocess":
        """Return the record that `to_json` wrote.

        Raises:
            DataError: another schema, a missing key, or a value of the wrong kind.
        """
        if value.get("schema", SCHEMA) != SCHEMA:
            raise DataError(f"preprocess: schema is {value['schema']!r}, this reads {SCHEMA}")
        try:
            return Preprocess(
                size=int(value["size"]),
                crop_fraction=float(value["crop_fraction"]),
                interpolation=str(value["interpolation"]),
                mean=tuple(float(item) for item in value["mean"]),
                std=tuple(float(item) for item in value["std"]),
                channels=int(value["channels"]),
                depth=int(value.get("depth", FULL_DEPTH)),
            )
        except KeyError as error:
            raise DataError(f"preprocess: {error.args[0]!r} is missing") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"preprocess: a value is of the wrong kind ({error})") from None

    def _problem(self) -> str | None:
        if self.size < 1:
            return f"size is {self.size}, must be at least 1"
        if not 0 < self.crop_fraction <= 1:
            return f"crop_fraction is {self.crop_fraction}, must be above 0 and at most 1"
        if self.interpolation not in FILTERS:
            return f"interpolation is {self.interpolation!r}, must be one of {', '.join(FILTERS)}"
        if self.channels not in (1, 3):
            return f"channels is {self.channels}, must be 1 or 3"
        if self.depth not in DEPTHS:
            return f"depth is {self.depth}, must be one of {', '.join(map(str, DEPTHS))}"
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            return f"mean and std need {self.channels} values each"
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            return f"mean {self.mean} and std {self.std} must be finite, std positive"
        return None
