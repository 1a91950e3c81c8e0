"""Batches of uint8 images for training and evaluation.

What fits into ``memory_limit_bytes`` is decoded once and augmented as whole batches; the rest
streams from worker processes. Which images a batch holds, and what is done to each, depends on
(seed, epoch, index) alone: not on workers, memory or where a run was resumed.

Letters  N images, S size, C channels
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fleetfoot.core.errors import UsageError
from fleetfoot.data.augment import Augment
from fleetfoot.data.batches import BatchMaker, Made, Request
from fleetfoot.data.colour_pca import STORED, Colours, colour_axes, some_colours
from fleetfoot.data.decode import Pixels
from fleetfoot.data.draws import occurrences_of
from fleetfoot.data.memory import bytes_needed, decode_larger, decode_squares, threads
from fleetfoot.data.order import (
    epoch_order,
    evaluation_batches,
    steps_in_epoch,
    training_places,
)
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Split
from fleetfoot.data.streaming import Stream

MEMORY_LIMIT_BYTES = 2**30
T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """Images uint8 (N, S, S, C), their labels int64 (N,), their indices in the split int64 (N,)."""

    images: Tensor
    labels: Tensor
    indices: Tensor


@dataclass(frozen=True)
class Profile:
    """Where input time went, so far.

    Attributes:
        images: delivered.
        in_memory: decoded once, or on every visit.
        workers: processes that prepare batches; 0 means the main one does.
        prepare_seconds: decoding everything into memory; 0 when streaming.
        decode_ms: processor time per image to read and decode (in memory: to fetch).
        augment_ms: processor time per image to cut and augment.
        wait_fraction: share of the loop's time that it waited for a batch; None before the first.
    """

    images: int
    in_memory: bool
    workers: int
    prepare_seconds: float
    decode_ms: float | None
    augment_ms: float | None
    wait_fraction: float | None


@dataclass
class _Clock:
    images: int = 0
    read: float = 0.0
    augment: float = 0.0
    waited: float = 0.0
    total: float = 0.0
    prepare: float = 0.0


@dataclass(eq=False)
class Loader:
    """The batches of a split.

    Attributes:
        split: the images.
        preprocess: how they are cropped and scaled.
        batch: images of a batch, on each rank.
        seed: of order and augmentation.
        augment: what is done to training images; None gives the evaluation crop.
        workers: processes that decode, where images do not fit in memory.
        memory_limit_bytes: how much memory decoded images may take; 0 streams always.
        rank: of this process.
        world: number of processes.
        weights: by class; images are then drawn with replacement by the weight of their class.
    """

    split: Split
    preprocess: Preprocess
    _: KW_ONLY
    batch: int
    seed: int = 0
    augment: Augment | None = None
    workers: int = 0
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES
    rank: int = 0
    world: int = 1
    weights: Sequence[float] | None = None
    _clock: _Clock = field(default_factory=_Clock, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UsageError(f"batch is {self.batch}, must be at least 1")
        if not 0 <= self.rank < self.world:
            raise UsageError(f"rank is {self.rank}, must be 0 to {self.world - 1}")
        if self._colours != "none" and self.preprocess.channels != 3:
            raise UsageError(
                f"augment.colour_pca = {self._colours!r} is for images with three colours, and "
                "these are grey: add --set augment.colour_pca=none"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Training steps of an epoch; a last partial batch is left out, but never the only one."""
        return steps_in_epoch(len(self.split), batch=self.batch, world=self.world)

    @cached_property
    def in_memory(self) -> bool:
        """Whether the images are decoded once and kept."""
        needed = bytes_needed(len(self.split), self.preprocess, augment=self.augment)
        return needed <= self.memory_limit_bytes

    def prepare(self) -> None:
        """Decode into memory now what the first epoch would otherwise decode."""
        if self.in_memory:
            _ = self._larger if self._cuts_boxes else self._squares

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the training batches of an epoch, beginning at step ``start``.

        Raises:
            DataError: an image cannot be read.
        """
        order = epoch_order(self.split.labels, seed=self.seed, epoch=epoch, weights=self.weights)
        occurrences = occurrences_of(order)
        sizes = {"images": len(order), "batch": self.batch, "rank": self.rank, "world": self.world}
        places = (training_places(step, **sizes) for step in range(start, self.steps_per_epoch))
        requests = (Request(order[place], occurrences[place], epoch) for place in places)
        return self._batches(requests)

    def evaluate(self) -> Iterator[Batch]:
        """Yield this rank's share of the split, cropped, not augmented, in order.

        Over all ranks every image comes exactly once; ranks may get different numbers of batches.

        Raises:
            DataError: an image cannot be read.
        """
        parts = evaluation_batches(
            len(self.split), batch=self.batch, rank=self.rank, world=self.world
        )
        return self._batches(Request(indices, indices * 0, None) for indices in parts)

    @property
    def profile(self) -> Profile:
        """Where input time went, so far."""
        clock = self._clock
        per_image_ms = 1e3 / clock.images if clock.images else None
        return Profile(
            images=clock.images,
            in_memory=self.in_memory,
            workers=0 if self.in_memory else self.workers,
            prepare_seconds=clock.prepare,
            decode_ms=None if per_image_ms is None else clock.read * per_image_ms,
            augment_ms=None if per_image_ms is None else clock.augment * per_image_ms,
            wait_fraction=clock.waited / clock.total if clock.total else None,
        )

    def _batches(self, requests: Iterable[Request]) -> Iterator[Batch]:
        begin = time.perf_counter()
        made_here = (self._made(request) for request in requests)
        for made in made_here if self.in_memory else self._stream.deliver(requests):
            self._clock.waited += time.perf_counter() - begin
            self._clock.images += len(made.images)
            self._clock.read += made.read_seconds
            self._clock.augment += made.augment_seconds
            indices = made.request.indices
            labels = torch.from_numpy(self.split.labels[indices])
            yield Batch(made.images, labels, torch.from_numpy(indices.copy()))
            now = time.perf_counter()
            self._clock.total += now - begin
            begin = now

    def _made(self, request: Request) -> Made:
        if request.epoch is not None and self._cuts_boxes:
            return self._maker.from_images(request, self._larger.__getitem__, self._pool)
        return self._maker.from_squares(request, self._squares)

    @property
    def _cuts_boxes(self) -> bool:
        return self.augment is not None and self.augment.cuts

    @property
    def _colours(self) -> Colours:
        return "none" if self.augment is None else self.augment.colour_pca

    @cached_property
    def _maker(self) -> BatchMaker:
        return BatchMaker(self.preprocess, self.augment, self.seed, self._colour_axes())

    def _colour_axes(self) -> NDArray[np.float64] | None:
        """Return the axes of the colour noise: a function of the split, whatever was read."""
        if self._colours == "none":
            return None
        if self._colours == "stored":
            return STORED
        return colour_axes(some_colours(self.split.read, len(self.split)))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(threads())

    @cached_property
    def _squares(self) -> Pixels:
        return self._decoded(decode_squares)

    @cached_property
    def _larger(self) -> list[Pixels]:
        return self._decoded(decode_larger)

    def _decoded(self, decode: Callable[[Split, Preprocess], T]) -> T:
        start = time.perf_counter()
        images = decode(self.split, self.preprocess)
        self._clock.prepare += time.perf_counter() - start
        return images

    @cached_property
    def _stream(self) -> Stream:
        return Stream(self.split, self._maker, workers=self.workers)
