"""Words of the command line: lists separated by commas, numbers in their range, key=value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fleetfoot.core.errors import UsageError

EMPTY = "''"  # what a shell shows of a word without letters


MOST = {"size": 16_384, "batch": 2**20}  # pixels, images: beyond any use, and what torch can count


def check_number(word: str, value: int | None, least: int) -> None:
    """Refuse a number below the least that makes sense, or beyond the most.

    Raises:
        UsageError: it is.
    """
    most = MOST.get(word, 2**31 - 1)
    if value is not None and value < least:
        raise UsageError(f"--{word} {value}: must be at least {least}")
    if value is not None and value > most:
        raise UsageError(f"--{word} {value}: must be at most {most}")


def check_share(word: str, value: float | None) -> None:
    """Refuse a share of the images outside [0, 1).

    Raises:
        UsageError: it is outside.
    """
    if value is not None and not 0 <= value < 1:
        raise UsageError(f"--{word} {value:g}: must be a share of the images, from 0 to below 1")


def one_of(word: str, value: str, allowed: Iterable[str]) -> None:
    """Refuse a value that is not allowed.

    Raises:
        UsageError: it is not.
    """
    if value not in (known := tuple(allowed)):
        raise UsageError(f"{word} {value or EMPTY}: is not one of {', '.join(known)}")


def named(word: str, text: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a list, each once.

    >>> named("engine", "openvino, onnxruntime", ("onnxruntime", "openvino"))
    ('openvino', 'onnxruntime')

    Raises:
        UsageError: there are none, or one is not allowed.
    """
    names = _parts(text)
    for name in names:
        one_of(f"--{word}", name, allowed)
    if not names:
        raise UsageError(f"--{word}: name one of {', '.join(allowed)}")
    return names


def partly_named(word: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a list, each once, of which one at least is known.

    Raises:
        UsageError: none is.
    """
    names = _parts(text) or ("",)
    if not set(names) & set(known):
        one_of(f"--{word}", names[0], known)
    return names


def numbers(word: str, text: str | int) -> tuple[int, ...]:
    """Return the whole numbers of a list, each once.

    Raises:
        UsageError: one is not a whole number of at least 1, or beyond the most.
    """
    parts = [part.strip() for part in str(text).split(",")]
    for part in parts:
        if not part.isdecimal() or int(part) < 1:
            raise UsageError(f"--{word} {part or EMPTY}: is not a whole number of at least 1")
        check_number(word, int(part), 1)
    return tuple(dict.fromkeys(map(int, parts)))


def parse_settings(words: tuple[str, ...] | Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys and values of ``key=value`` words, or of a mapping.

    >>> parse_settings(("lr=0.1", "augment.flip=0"))
    {'lr': '0.1', 'augment.flip': '0'}

    Raises:
        UsageError: a word without a key or a value, or a key that is set twice.
    """
    if isinstance(words, Mapping):
        return dict(words)
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {word}: write key=value")
        key = key.strip()
        if key in settings:
            raise UsageError(f"--set {word}: {key} is set twice, before to {settings[key]}")
        settings[key] = value.strip()
    return settings


def _parts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
