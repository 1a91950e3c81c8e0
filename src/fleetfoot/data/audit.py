"""What a person should know about a data set before trusting a figure from it.

The audit reads the facts that opening the data set gathered. For a built-in set, which is not
scanned, it looks at the images itself, up to a limit, and says how many it looked at.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from fleetfoot.data.duplicates import exact_groups, groups_of, same_files
from fleetfoot.data.near_duplicates import near_groups
from fleetfoot.data.samples import Damage, Data, Facts, Split
from fleetfoot.data.scan import scan

LIMIT = 5_000
SIDES = (32, 64, 128, 256, 512, 1024, 2048, 4096)


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Images that are alike.

    Attributes:
        groups: keys of images that are alike, two or more in each group.
        across_splits: those groups that lie in more than one split: the figures flatter.
        differing_labels: those whose images carry different classes.
    """

    groups: tuple[tuple[str, ...], ...]
    across_splits: tuple[tuple[str, ...], ...]
    differing_labels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found.

    Attributes:
        images: number of usable images in each split.
        looked_at: how many of them were decoded for this audit.
        classes: for each class, its images in each split.
        imbalance: images of the largest class by those of the smallest, in training.
        damaged: images that cannot be used, and why.
        exif_turned: keys of images that an EXIF tag turns or mirrors.
        exact_duplicates: images with equal pixels, and files that are named more than once.
        near_duplicates: images that are nearly alike, or that others like them connect.
        groups_across_splits: named groups that lie in more than one split.
        short_sides: how many images have a short side up to this many pixels.
        smallest: width and height of the image with the fewest pixels, None if none was seen.
        largest: width and height of the image with the most pixels.
        modes: how many images have which Pillow mode, before conversion.
        formats: how many images are of which format.
        extensions: how many files have which extension.
        notes: what was left out, and other remarks.
        seconds: time the audit took, without the look at opening.
    """

    images: dict[str, int]
    looked_at: int
    classes: dict[str, dict[str, int]]
    imbalance: float | None
    damaged: tuple[Damage, ...]
    exif_turned: tuple[str, ...]
    exact_duplicates: Duplicates
    near_duplicates: Duplicates
    groups_across_splits: tuple[str, ...]
    short_sides: dict[str, int]
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    modes: dict[str, int]
    formats: dict[str, int]
    extensions: dict[str, int]
    notes: tuple[str, ...]
    seconds: float


def audit(data: Data, *, limit: int | None = None) -> Audit:
    """Return what there is to know about a data set.

    Args:
        data: as `open_data` gave it.
        limit: how many images of a built-in set are looked at; None for 5,000.
    """
    start = time.perf_counter()
    facts, damaged, notes = _facts(data, LIMIT if limit is None else limit)
    sides = [(fact.header.width, fact.header.height) for fact in facts.values()]
    headers = [fact.header for fact in facts.values()]
    keys = [sample.key for split in data.splits.values() for sample in split.samples]
    counts = _class_counts(data)
    return Audit(
        images={name: len(split) for name, split in data.splits.items()},
        looked_at=len(facts),
        classes=counts,
        imbalance=_imbalance(counts),
        damaged=damaged,
        exif_turned=tuple(key for key, fact in facts.items() if fact.header.orientation != 1),
        exact_duplicates=_duplicates(data, _exact(data, facts), data.scan.contradictory),
        near_duplicates=_duplicates(data, near_groups(facts)),
        groups_across_splits=_split_groups(data),
        short_sides=_short_sides(sides),
        smallest=min(sides, key=_area, default=None),
        largest=max(sides, key=_area, default=None),
        modes=_counted(header.mode for header in headers),
        formats=_counted(header.format for header in headers),
        extensions=_counted(PurePath(key).suffix.lower() for key in keys if "#" not in key),
        notes=(*data.notes, *notes),
        seconds=time.perf_counter() - start,
    )


def _facts(
    data: Data, limit: int
) -> tuple[Mapping[str, Facts], tuple[Damage, ...], tuple[str, ...]]:
    """Return facts on the images that are in use; gathered now where there are none."""
    used = [sample.key for split in data.splits.values() for sample in split.samples]
    if data.scan.facts:
        known = data.scan.facts
        return {key: known[key] for key in used if key in known}, data.scan.damaged, ()
    facts: dict[str, Facts] = {}
    damaged = list(data.scan.damaged)
    for split in data.splits.values():
        found = scan(_spread(split, limit * len(split) // len(used)), split.reader, full=True)
        facts.update(found.facts)
        damaged.extend(found.damaged)
    left_out = len(damaged) - len(data.scan.damaged)
    if len(facts) + left_out == len(set(used)):
        return facts, tuple(damaged), ()
    note = f"looked at {len(facts)} of {len(used)} images, evenly spread"
    return facts, tuple(damaged), (note,)


def _spread(split: Split, count: int) -> list[str]:
    samples = split.samples
    count = min(count, len(samples))
    return [samples[place * len(samples) // count].key for place in range(count)]


def _exact(data: Data, facts: Mapping[str, Facts]) -> list[list[str]]:
    """Return images with equal pixels, and files that are named more than once, in groups."""
    keys = [sample.key for split in data.splits.values() for sample in split.samples]
    linked = [*exact_groups(facts), *same_files(keys, data.train.reader)]
    groups: dict[int, list[str]] = {}
    for key, group in zip(keys, groups_of(keys, linked)):
        groups.setdefault(group, []).append(key)
    return [group for group in groups.values() if len(group) > 1]


def _duplicates(
    data: Data, groups: list[list[str]], torn: tuple[tuple[str, ...], ...] = ()
) -> Duplicates:
    """Return groups of images that are alike; ``torn`` were left out for their labels."""
    splits: dict[str, set[str]] = {}
    labels: dict[str, set[int]] = {}
    for name, split in data.splits.items():
        for sample in split.samples:
            splits.setdefault(sample.key, set()).add(name)
            labels.setdefault(sample.key, set()).add(sample.label)

    def differing(values: Mapping[str, set[Any]]) -> tuple[tuple[str, ...], ...]:
        unions = (set[Any]().union(*(values[key] for key in group)) for group in groups)
        return tuple(tuple(group) for group, union in zip(groups, unions) if len(union) > 1)

    return Duplicates(
        groups=(*map(tuple, groups), *torn),
        across_splits=differing(splits),
        differing_labels=(*differing(labels), *torn),
    )


def _split_groups(data: Data) -> tuple[str, ...]:
    found: dict[str, set[str]] = {}
    for name, split in data.splits.items():
        for sample in split.samples:
            if sample.group is not None:
                found.setdefault(sample.group, set()).add(name)
    return tuple(sorted(group for group, names in found.items() if len(names) > 1))


def _class_counts(data: Data) -> dict[str, dict[str, int]]:
    per_split = {name: Counter(split.labels.tolist()) for name, split in data.splits.items()}
    return {
        label: {name: counter[number] for name, counter in per_split.items()}
        for number, label in enumerate(data.classes)
    }


def _imbalance(counts: Mapping[str, Mapping[str, int]]) -> float | None:
    train = [of_class["train"] for of_class in counts.values()]
    return max(train) / min(train) if train and min(train) else None


def _short_sides(sides: list[tuple[int, int]]) -> dict[str, int]:
    shorts = [min(side) for side in sides]
    bounds = (0, *SIDES)
    histogram = {
        f"{low + 1}-{high}": sum(low < short <= high for short in shorts)
        for low, high in zip(bounds, SIDES)
    }
    histogram[f"over {SIDES[-1]}"] = sum(short > SIDES[-1] for short in shorts)
    return {name: count for name, count in histogram.items() if count}


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _area(side: tuple[int, int]) -> int:
    return side[0] * side[1]
