import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.jobs.words import named, numbers, one_of, parse_settings, partly_named


def test_lists_are_separated_by_commas():
    known = ("eager", "openvino")
    assert partly_named("engine", "eager, openvino,eager", known) == ("eager", "openvino")
    assert named("layout", "nhwc,", ("nchw", "nhwc")) == ("nhwc",)
    assert numbers("size", "96, 128") == (96, 128)
    assert numbers("batch", 4) == (4,)


def test_what_does_not_exist_is_refused():
    assert partly_named("engine", "eager,tensorrt", ("eager",)) == ("eager", "tensorrt")
    with pytest.raises(UsageError, match="--engine tensorrt: is not one of eager"):
        partly_named("engine", "tensorrt,tvm", ("eager",))
    with pytest.raises(UsageError, match="--engine '': is not one of eager"):
        partly_named("engine", " ", ("eager",))
    with pytest.raises(UsageError, match="--layout chwn"):
        named("layout", "nchw,chwn", ("nchw", "nhwc"))
    with pytest.raises(UsageError, match="--layout: name one of nchw"):
        named("layout", "", ("nchw", "nhwc"))
    with pytest.raises(UsageError, match="--device tpu"):
        one_of("--device", "tpu", ("cpu", "cuda"))


@pytest.mark.parametrize("text", ["0", "1,0", "-1", "1.5", "two", "", "1,,2"])
def test_numbers_are_whole_and_at_least_1(text: str):
    with pytest.raises(UsageError, match=r"--batch .*: is not a whole number of at least 1"):
        numbers("batch", text)


@pytest.mark.parametrize(
    ("word", "most"), [("size", 16_384), ("batch", 2**20), ("threads", 2**31 - 1)]
)
def test_numbers_beyond_any_use_are_refused(word: str, most: int):
    assert numbers(word, most) == (most,)
    with pytest.raises(UsageError, match=f"--{word} .*: must be at most {most}"):
        numbers(word, f"1,{most + 1}")


@pytest.mark.parametrize("word", ["lr", "=1", " = 2"])
def test_words_without_a_key_or_value_are_refused(word: str):
    with pytest.raises(UsageError, match="key=value"):
        parse_settings((word,))


def test_a_setting_is_set_once():
    with pytest.raises(UsageError, match=r"--set lr = 0.2: lr is set twice, before to 0.1"):
        parse_settings(("lr=0.1", "batch=8", "lr = 0.2"))
