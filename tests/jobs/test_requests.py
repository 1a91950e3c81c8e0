from pathlib import Path
from typing import Any

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.jobs.requests import FitRequest, parse_settings


@pytest.mark.parametrize("word", ["lr", "=1", " = 2"])
def test_words_without_a_key_or_value_are_refused(word: str):
    with pytest.raises(UsageError, match="key=value"):
        parse_settings((word,))


def test_what_differs_from_the_default_was_given():
    request = FitRequest(seed=0, weights="auto", methods=(), settings={}, skip_damaged=True)
    assert request.given() == {"seed": 0, "skip_damaged": True}


def test_a_mapping_of_settings_keeps_its_values():
    assert FitRequest(settings={"lr": 0.1}).changes == {"lr": 0.1}
    assert FitRequest(settings=("lr=0.1",)).changes == {"lr": "0.1"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"threads": 0}, "--threads 0: must be at least 1"),
        ({"size": 7}, "--size 7: must be at least 8"),
        ({"max_drop": 1.0}, "--max-drop 1: must be a share of the images"),
        ({"budget": "soon"}, "is not a time"),
        ({"budget": 0}, "is not a time"),
        ({"resume": Path("run"), "device": "cpu"}, "--resume takes everything"),
        ({"resume": Path("run"), "settings": ("lr=1",)}, "--resume takes everything"),
    ],
)
def test_a_request_refuses_what_cannot_be(words: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        FitRequest(**words)
