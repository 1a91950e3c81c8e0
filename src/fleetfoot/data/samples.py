"""The records that every data source becomes: samples, splits, a data set."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetfoot.data.decode import FULL_DEPTH, Header, Pixels

Reader = Callable[[str], Pixels]
"""From a sample's key to its pixels, uint8 (H, W, 3), full size. Readers can be pickled."""


@dataclass(frozen=True)
class Sample:
    """One image: its place in its split, its name in the source, its class, its group if any."""

    index: int
    key: str
    label: int
    group: str | None = None


@dataclass(frozen=True)
class Split:
    """Samples that belong together, and how to read them. ``samples[i].index == i``."""

    name: str
    samples: tuple[Sample, ...]
    reader: Reader
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The class of each sample, (N,)."""
        return np.array([sample.label for sample in self.samples], dtype=np.int64)

    def read(self, index: int) -> Pixels:
        """Return the pixels of one sample, uint8 (H, W, 3).

        Raises:
            DataError: the file has gone or is damaged.
        """
        return self.reader(self.samples[index].key)

    def holding(self, samples: Iterable[Sample]) -> "Split":
        """Return a split with these samples in its place, numbered by their order."""
        numbered = tuple(replace(sample, index=index) for index, sample in enumerate(samples))
        return replace(self, samples=numbered)


@dataclass(frozen=True)
class Damage:
    """An image that cannot be used, and why."""

    key: str
    reason: str


@dataclass(frozen=True)
class Facts:
    """What one look at an image found; the last three are None where only the header was read.

    Attributes:
        header: what the file says of itself.
        pixels_sha256: of the decoded pixels, so that a re-tagged copy is still the same image.
        gradient_hash: 64 bits, whether each of 8 x 8 neighbouring brightnesses falls.
        thumbnail: 8 x 8 RGB, 192 bytes.
    """

    header: Header
    pixels_sha256: str | None = None
    gradient_hash: int | None = None
    thumbnail: bytes | None = None


@dataclass(frozen=True)
class Scan:
    """The look at every image before a run starts: facts by key, and what is damaged.

    ``contradictory`` are keys that mean one file of several classes; they are damaged, too.
    """

    facts: Mapping[str, Facts] = field(default_factory=dict[str, Facts])
    damaged: tuple[Damage, ...] = ()
    contradictory: tuple[tuple[str, ...], ...] = ()

    @property
    def images(self) -> int:
        """How many were looked at."""
        return len(self.facts) + len(self.damaged)


@dataclass(frozen=True)
class Data:
    """A data set, ready to train on.

    Attributes:
        spec: the words it was opened with.
        name: a short name, fit for a folder.
        classes: the class map: position is the label, made from the training split.
        train: images to learn from.
        val: images to choose by.
        test: images for the final figure, read once; None where the source has none.
        held_out: True where ``val`` was split off the training images here.
        notes: what a person should know about how the data was read.
        scan: what was found in the files; empty for built-in sets.
    """

    spec: str
    name: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split | None
    held_out: bool
    notes: tuple[str, ...] = ()
    scan: Scan = field(default_factory=Scan)

    @property
    def splits(self) -> dict[str, Split]:
        """The splits there are, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def depth(self) -> int:
        """Bits that count in 16-bit grey pictures; see `decode`."""
        return getattr(self.train.reader, "depth", FULL_DEPTH)
