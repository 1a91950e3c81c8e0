import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.jobs.measure_words import parse_threads, parse_words, why_unknown


def test_lists_are_separated_by_commas():
    words = parse_words("eager, openvino,eager", "all", "nhwc", (1, 2), 4, "96, 128")
    assert words.engines == ("eager", "openvino")
    assert words.layouts == ("nhwc",)
    assert (words.threads, words.batches, words.sizes) == ((1, 2), (4,), (96, 128))


def test_a_word_that_does_not_exist_stays_in_beside_one_that_does():
    words = parse_words("eager,tensorrt", "float32,int4", None, (1,), 1, None)
    assert words.engines == ("eager", "tensorrt")
    assert "--engine tensorrt: is not one of" in str(why_unknown("tensorrt", "float32"))
    assert "--precision int4: is not one of" in str(why_unknown("eager", "int4"))
    assert why_unknown("openvino", "int8") is None
    with pytest.raises(UsageError, match="--engine tensorrt"):
        parse_words("tensorrt,tvm", "all", None, (1,), 1, None)
    with pytest.raises(UsageError, match="--layout chwn"):
        parse_words("all", "all", "nchw,chwn", (1,), 1, None)
    with pytest.raises(UsageError, match="--device tpu"):
        parse_words("all", "all", None, (1,), 1, None, device="tpu")


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
