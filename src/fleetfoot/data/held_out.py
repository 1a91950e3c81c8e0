"""Which training images become validation, where a source names none: what is alike stays together.

Exact copies, near duplicates and the groups of a table are never torn. Frames of a fixed camera are
near duplicates throughout, which leaves next to nothing of a class to hold out: then stretches of
its file names are held out instead, and a note says that the figures flatter.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError
from fleetfoot.data.classes import listed
from fleetfoot.data.duplicates import exact_groups, groups_of, same_files
from fleetfoot.data.near_duplicates import near_groups
from fleetfoot.data.samples import Scan
from fleetfoot.data.source import Row, Source
from fleetfoot.data.split import FRACTION, hold_out

# From this many held-out images on, half of them are kept for the one final figure.
FINAL_FROM = 1000
STRETCHES = 10  # of a class, in order of its images
ENOUGH = 0.5  # of what a class is to give; one with fewer images than `STRETCHES` may give less

Rows = dict[str, tuple[Row, ...]]


def held_out(
    spec: str, source: Source, rows: Sequence[Row], found: Scan, seed: int
) -> tuple[Rows, tuple[str, ...]]:
    """Return training and validation rows, test rows where they suffice, and notes.

    Args:
        spec: the words of the source, for messages.
        source: where the rows come from.
        rows: all training images.
        found: what is known of them.
        seed: another seed, another choice.

    Raises:
        DataError: nothing can be held out.
    """
    numbers = {name: place for place, name in enumerate(sorted({row.label for row in rows}))}
    labels = [numbers[row.label] for row in rows]
    one_file = same_files([row.key for row in rows], source.reader)
    kept = [*exact_groups(found.facts), *one_file, *_named_groups(rows)]
    near = near_groups(found.facts)
    groups = _numbers(rows, [*kept, *near])
    chosen = hold_out(labels, groups, seed=seed, images=source.val_images)
    notes: tuple[str, ...] = ()
    starved = _starved(rows, chosen, source.val_images or FRACTION * len(rows))
    if near and starved:
        label_of = {row.key: row.label for row in rows}
        others = [[key for key in group if label_of.get(key) not in starved] for group in near]
        by_stretch = _numbers(rows, [*kept, *others, *_stretches(rows, starved)])
        more = hold_out(labels, by_stretch, seed=seed, images=source.val_images)
        if more.sum() > chosen.sum():
            groups, chosen = by_stretch, more
            alike = sum(label_of.get(key) in starved for group in near for key in group)
            notes = (_flattered(alike, starved),)
    if not chosen.any():
        raise DataError(f"{spec}: {_why_nothing(rows, groups)}")
    parts = np.where(chosen, "val", "train")
    if "test" not in source.rows and chosen.sum() >= FINAL_FROM:
        places = np.flatnonzero(chosen).tolist()
        final = hold_out(
            [labels[place] for place in places],
            [groups[place] for place in places],
            seed=seed,
            images=len(places) // 2,
        )
        parts[np.array(places)[final]] = "test"
    names = [name for name in ("train", "val", "test") if (parts == name).any()]
    return {n: tuple(row for row, part in zip(rows, parts) if part == n) for n in names}, notes


def _numbers(rows: Sequence[Row], linked: Sequence[Sequence[str]]) -> list[int]:
    return groups_of([row.key for row in rows], linked)


def _named_groups(rows: Sequence[Row]) -> list[list[str]]:
    by_group: dict[str, list[str]] = {}
    for row in rows:
        if row.group is not None:
            by_group.setdefault(row.group, []).append(row.key)
    return list(by_group.values())


def _starved(rows: Sequence[Row], chosen: NDArray[np.bool_], wanted: float) -> list[str]:
    """Return the classes that give much less than their share."""
    images = Counter(row.label for row in rows)
    given = Counter(row.label for row, is_chosen in zip(rows, chosen) if is_chosen)
    share = ENOUGH * wanted / len(rows)
    return [n for n in sorted(images) if images[n] >= STRETCHES and given[n] < share * images[n]]


def _stretches(rows: Sequence[Row], classes: Sequence[str]) -> list[list[str]]:
    """Return the images of each of these classes in parts, one after the other."""
    by_class: dict[str, list[str]] = {name: [] for name in classes}
    for row in rows:
        by_class.get(row.label, []).append(row.key)
    return [
        [keys[place] for place in part]
        for keys in by_class.values()
        for part in np.array_split(np.arange(len(keys)), STRETCHES)
    ]


def _flattered(alike: int, classes: Sequence[str]) -> str:
    return (
        f"{alike} images of {listed(classes)} are near duplicates of one another, as frames of a "
        "fixed camera are: held out are stretches of file names, a tenth of a class each, but "
        "images like them are trained on and the accuracy flatters; folders train and val of "
        "different days tell more"
    )


def _why_nothing(rows: Sequence[Row], groups: Sequence[int]) -> str:
    if len({row.label for row in rows}) == len(rows):
        why = "every class has one image"
    else:
        count = len(set(groups))
        why = (
            f"its {len(rows)} images are {count} different one{'' if count == 1 else 's'}, copies "
            "and groups aside, and no class can spare one"
        )
    return (
        f"no image can be held out for validation ({why}); add images, or make folders train and "
        "val"
    )
