"""Bytes moved if small operators run inside the large one whose output they alone read.

A convolution, its norm, its activation and the sum behind them make one operator that reads its
inputs once and writes one output: what an inference engine does, and what the maps in between
would cost without it.
"""

import math
from collections import Counter
from collections.abc import Sequence

from fleetfoot.measure.recorder import OpRecord, Recording

FUSABLE = ("norm", "elementwise")
HEADS = ("conv", "linear", *FUSABLE)


def fused_elements(recording: Recording) -> int:
    """Return the elements moved if each norm, activation or sum runs inside its producer."""
    records = recording.records
    readers = Counter(number for r in records for number in r.in_ids)
    readers.update(recording.output_ids)
    return sum(_crossing(group, readers) for group in _groups(records, readers))


def _groups(records: Sequence[OpRecord], readers: Counter[int]) -> list[list[OpRecord]]:
    """Return the operators by the one that they run inside."""
    group_of: dict[int, int] = {}  # tensor id -> group of its producer, where that may be joined
    inside: dict[int, list[OpRecord]] = {}
    for step, record in enumerate(records):
        joined = [group_of[n] for n in record.in_ids if n in group_of and readers[n] == 1]
        group = joined[0] if joined and record.kind in FUSABLE else step
        inside.setdefault(group, []).append(record)
        if record.kind in HEADS:
            group_of.update((number, group) for number in record.out_ids)
    return list(inside.values())


def _crossing(records: list[OpRecord], readers: Counter[int]) -> int:
    """Return the elements that a group of fused operators reads from and writes to memory."""
    reads = {n: math.prod(s) for r in records for n, s in zip(r.in_ids, r.in_shapes)}
    writes = {n: math.prod(s) for r in records for n, s in zip(r.out_ids, r.out_shapes)}
    consumed = Counter(n for r in records for n in r.in_ids)
    external = sum(size for n, size in reads.items() if n not in writes)
    return external + sum(size for n, size in writes.items() if readers[n] > consumed[n])
