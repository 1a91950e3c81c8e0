from typing import Any

import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.jobs.measure_words import Words, parse_threads, parse_words, why_unknown
from fleetfoot.jobs.requests import MeasureRequest


def parse(*, threads: tuple[int, ...] = (1,), **words: Any) -> Words:
    return parse_words(MeasureRequest(**words), threads)


def test_lists_are_separated_by_commas():
    words = parse(
        engine="eager, openvino,eager", layout="nhwc", threads=(1, 2), batch=4, size="96, 128"
    )
    assert words.engines == ("eager", "openvino")
    assert words.layouts == ("nhwc",)
    assert (words.threads, words.batches, words.sizes) == ((1, 2), (4,), (96, 128))


def test_a_word_that_does_not_exist_stays_in_beside_one_that_does():
    words = parse(engine="eager,tensorrt", precision="float32,int4")
    assert words.engines == ("eager", "tensorrt")
    assert "--engine tensorrt: is not one of" in str(why_unknown("tensorrt", "float32"))
    assert "--precision int4: is not one of" in str(why_unknown("eager", "int4"))
    assert why_unknown("openvino", "int8") is None
    with pytest.raises(UsageError, match="--engine tensorrt"):
        parse(engine="tensorrt,tvm")
    with pytest.raises(UsageError, match="--layout chwn"):
        parse(layout="nchw,chwn")
    with pytest.raises(UsageError, match="--device tpu"):
        parse(device="tpu")


def test_no_more_threads_than_allowed():
    assert parse_threads(None, 2) == ((2,), ())
    assert parse_threads("1,2", 2) == ((1, 2), ())
    counts, notes = parse_threads("1,2,4", 1)
    assert counts == (1,)
    assert notes == (
        "--threads 2: 1 is all this process may use",
        "--threads 4: 1 is all this process may use",
    )
    with pytest.raises(UsageError, match="--threads 0"):
        parse_threads("0", 2)
