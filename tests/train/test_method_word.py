import pytest

from fleetfoot.core.errors import UsageError
from fleetfoot.train.method_word import MethodWord, methods


@pytest.mark.parametrize("word", ["mixup", "cutout:side=8", "cutmix:alpha=1,probability=0.5"])
def test_a_word_is_parsed_once_and_printed_as_it_was(word: str) -> None:
    (parsed,) = methods(word)
    assert str(parsed) == word
    assert parsed == MethodWord.parse(word)


def test_settings_are_pairs() -> None:
    assert MethodWord.parse("a:b=1,c=2") == MethodWord("a", (("b", "1"), ("c", "2")))


@pytest.mark.parametrize("word", ["a:", "a:b", "a:b=1,b=2"])
def test_a_setting_without_a_value_or_given_twice_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="method a: "):
        MethodWord.parse(word)
