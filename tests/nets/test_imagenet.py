"""The class list ships in the package and is the one of the data sheet."""

import csv
from pathlib import Path

from fleetfoot.nets.imagenet import imagenet_classes


def test_ids_are_sorted_and_unique() -> None:
    ids = [item.wnid for item in imagenet_classes()]
    assert len(set(ids)) == 1000
    assert ids == sorted(ids)


def test_equals_the_published_list(data_dir: Path) -> None:
    with (data_dir / "imagenet_classes.csv").open() as file:
        rows = [(row["wnid"], row["name"]) for row in csv.DictReader(file)]
    assert [tuple(item) for item in imagenet_classes()] == rows
