"""Worker processes that decode, cut and augment while the network computes.

One torch `DataLoader` with persistent workers serves every epoch and every evaluation: what a
batch holds travels with the request, so a worker has no state that could make a difference.
Workers leave signals to the main process, end with it, and start no threads of their own.
"""

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from fleetfoot.core.child_process import end_with_parent
from fleetfoot.core.errors import DataError, FleetfootError, UsageError, first_line
from fleetfoot.core.interrupt import ignore_signals
from fleetfoot.data.batches import BatchMaker, Made, Request
from fleetfoot.data.samples import Split

# Workers give way to the network. Its threads wait for each other after every operator, so that a
# worker that holds up one of them holds up all; what it would have done then, it does while the
# network waits for a batch, next to the other workers. The price: beside somebody else's work on
# the same cores, in the same session, reading falls behind.
NICENESS = 19


class Requests(Dataset[Made | FleetfootError]):
    """A "data set" whose items are whole batches, asked for by request."""

    def __init__(self, split: Split, maker: BatchMaker) -> None:
        self._split = split
        self._maker = maker

    def __getitem__(self, request: Request) -> Made | FleetfootError:
        try:
            return self._maker.from_images(request, self._split.read)
        except FleetfootError as error:  # sent as a value: torch would wrap it in a traceback
            return type(error)(str(error))


class Stream:
    """Delivers the batches of any list of requests, in order, from persistent workers.

    One list at a time: beginning another one ends the one before.
    """

    def __init__(self, split: Split, maker: BatchMaker, *, workers: int) -> None:
        self._pending = _Pending()
        self._turn = 0
        self._loader: DataLoader[Made | FleetfootError] = DataLoader(
            Requests(split, maker),
            sampler=self._pending,
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=_start_worker,
            # Forked workers start in milliseconds and ask nothing of the caller's script.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            # Its seeds go unused; without this they would be drawn from the global generator.
            generator=torch.Generator(),
        )

    def deliver(self, requests: Iterable[Request]) -> Iterator[Made]:
        """Yield one batch per request.

        Raises:
            DataError: an image cannot be read, or a worker died.
            UsageError: another list was begun before this one was at its end.
        """
        self._turn += 1
        turn = self._turn
        self._pending.requests = requests
        with warnings.catch_warnings():
            # Python 3.12 warns of forking a process with threads; the workers use none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            batches = iter(self._loader)
        while True:
            if turn != self._turn:
                raise UsageError("a loader that streams serves one loop at a time")
            try:
                answer = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                raise DataError(
                    f"a data worker died ({first_line(error)}); with less memory than "
                    "the workers need, fewer of them help"
                ) from error
            if isinstance(answer, FleetfootError):
                # A new one: raising what a local holds makes a cycle that would keep the workers.
                raise type(answer)(str(answer))
            yield answer


class _Pending:
    requests: Iterable[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)


def _as_it_is(batch: Any) -> Any:
    return batch


def _start_worker(_worker: int) -> None:
    ignore_signals()
    end_with_parent()
    torch.set_num_threads(1)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
