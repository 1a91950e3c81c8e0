import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.core.interrupt import SIGNALS
from fleetfoot.data.augment import Augment
from fleetfoot.data.batches import BatchMaker, Request
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Sample, Split
from fleetfoot.data.streaming import Stream

CONTRACT = Preprocess(16, 1.0, "bilinear", (127.0,) * 3, (64.0,) * 3)
MAKER = BatchMaker(CONTRACT, Augment(), 0)


def read(key: str) -> np.ndarray:
    if key == "7":
        raise DataError("cat/7.jpg: is truncated")
    return np.full((20, 30, 3), int(key), np.uint8)


def split_of(count: int, reader: object = read) -> Split:
    return Split("train", tuple(Sample(i, str(i), 0) for i in range(count)), reader)


def requests(*batches: list[int]) -> Iterator[Request]:
    for batch in batches:
        yield Request(np.array(batch), np.array(batch) * 0, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_in_order_again_and_again(workers: int) -> None:
    stream = Stream(split_of(7), MAKER, workers=workers)
    for _ in range(3):
        first = [int(d.images[0, 0, 0, 0]) for d in stream.deliver(requests([3, 4], [1], [2, 0]))]
        assert first == [3, 1, 2]
    assert list(stream.deliver(requests())) == []


def test_left_early_and_asked_again() -> None:
    stream = Stream(split_of(7), MAKER, workers=2)
    many = [[index % 7] for index in range(40)]
    for delivery in stream.deliver(requests(*many)):
        assert delivery.images is not None
        break
    after = [int(d.images[0, 0, 0, 0]) for d in stream.deliver(requests([5], [6]))]
    assert after == [5, 6]


def test_one_loop_at_a_time() -> None:
    stream = Stream(split_of(7), MAKER, workers=0)
    first = stream.deliver(requests([0], [1], [2]))
    next(first)
    next(stream.deliver(requests([3])))
    with pytest.raises(UsageError, match="one loop at a time"):
        next(first)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_global_generator_is_left_alone(workers: int) -> None:
    state = torch.random.get_rng_state()
    list(Stream(split_of(7), MAKER, workers=workers).deliver(requests([0], [1])))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_one_line(workers: int) -> None:
    stream = Stream(split_of(9), MAKER, workers=workers)
    with pytest.raises(DataError, match=r"^cat/7\.jpg: is truncated$"):
        list(stream.deliver(requests([1], [7], [2])))
    assert len(list(stream.deliver(requests([1], [2])))) == 2  # the workers live on


def test_workers_end_at_once_even_after_an_error() -> None:
    stream = Stream(split_of(9), MAKER, workers=2)
    with contextlib.suppress(DataError):
        list(stream.deliver(requests([1], [7])))
    workers = {child.pid for child in multiprocessing.active_children()}
    assert len(workers) >= 2
    start = time.monotonic()
    del stream
    assert time.monotonic() - start < 4  # torch gives each 5 s before it kills
    assert len(workers & {child.pid for child in multiprocessing.active_children()}) <= (
        len(workers) - 2
    )


def report(_key: str) -> np.ndarray:
    ignores = all(signal.getsignal(number) == signal.SIG_IGN for number in SIGNALS)
    values = (os.getpid() % 251, torch.get_num_threads(), int(ignores))
    return np.full((16, 16, 3), values, np.uint8)


def test_workers_ignore_signals_use_one_thread_and_persist() -> None:
    maker = BatchMaker(CONTRACT, None, 0)
    stream = Stream(split_of(4, report), maker, workers=1)
    seen = [d.images[0, 0, 0].tolist() for _ in range(2) for d in stream.deliver(requests([0]))]
    assert seen[0][1:] == [1, 1]
    assert seen[0] == seen[1]
    assert seen[0][0] != os.getpid() % 251


def die(_key: str) -> np.ndarray:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_a_worker_that_dies_is_one_line() -> None:
    stream = Stream(split_of(4, die), MAKER, workers=1)
    with pytest.raises(DataError, match="a data worker died") as caught:
        list(stream.deliver(requests([0])))
    assert "\n" not in str(caught.value)


SCRIPT = """
import os, sys, time
import numpy as np
from fleetfoot.data.batches import BatchMaker, Request
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.data.samples import Sample, Split
from fleetfoot.data.streaming import Stream

def read(key):
    os.write(1, b"%d" % os.getpid() + os.linesep.encode())
    time.sleep(0.05)
    return np.zeros((4, 4, 3), np.uint8)

def forever():
    while True:
        yield Request(np.array([0]), np.array([0]), None)

split = Split("train", (Sample(0, "0", 0),), read)
maker = BatchMaker(Preprocess(4, 1.0, "box", (0.0,) * 3, (1.0,) * 3), None, 0)
for _ in Stream(split, maker, workers=2).deliver(forever()):
    pass
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_workers_end_when_the_main_process_is_killed() -> None:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = {int(process.stdout.readline()) for _ in range(8)}
        process.kill()
    deadline = time.monotonic() + 2  # torch's own watch looks every five seconds
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in workers)
