"""The 1000 classes of ImageNet-1k, in the order of the outputs of networks trained on it."""

import importlib.resources
import json
from functools import cache
from typing import NamedTuple


class ImageNetClass(NamedTuple):
    """One class: its WordNet id, which is unique, and its English name, which is not quite."""

    wnid: str
    name: str


@cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """Return all classes; the position is the index of the output.

    >>> imagenet_classes()[0]
    ImageNetClass(wnid='n01440764', name='tench')
    """
    file = importlib.resources.files("fleetfoot.nets").joinpath("imagenet_classes.json")
    return tuple(ImageNetClass(**item) for item in json.loads(file.read_text(encoding="utf-8")))
