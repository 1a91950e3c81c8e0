"""Change an attribute of modules for a while."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any


@contextmanager
def keeping(modules: Iterable[Any], attribute: str) -> Generator[None]:
    """Put an attribute of every module back at the end, whatever became of it.

    With ``keeping(net.modules(), "training")`` a network gets its mode back, part by part.
    """
    before = [(module, getattr(module, attribute)) for module in modules]
    try:
        yield
    finally:
        for module, value in before:
            setattr(module, attribute, value)
