"""The word of a method in a recipe: a name and settings, parsed once.

What a name means, and which settings it has, is known to `recipes.method`; training does not ask.
"""

from dataclasses import dataclass

from fleetfoot.core.errors import UsageError


@dataclass(frozen=True)
class MethodWord:
    """``name`` or ``name:key=value,key=value``; printed, it is its word again."""

    name: str
    settings: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, word: str) -> "MethodWord":
        """Return what a word says.

        >>> MethodWord.parse("cutout:side=8")
        MethodWord(name='cutout', settings=(('side', '8'),))

        Raises:
            UsageError: a setting without a value, or given twice.
        """
        name, colon, rest = word.partition(":")
        settings: dict[str, str] = {}
        for setting in rest.split(",") if colon else ():
            key, equals, value = setting.partition("=")
            if not equals:
                raise UsageError(
                    f"method {name}: {setting!r} is not one of its settings: write key=value"
                )
            if key in settings:
                raise UsageError(f"method {name}: {key} is given twice")
            settings[key] = value
        return cls(name, tuple(settings.items()))

    def __str__(self) -> str:
        settings = ",".join(f"{key}={value}" for key, value in self.settings)
        return f"{self.name}:{settings}" if settings else self.name


def methods(*words: str) -> tuple[MethodWord, ...]:
    """Return words as a recipe holds them.

    Raises:
        UsageError: a word without a value for a setting.
    """
    return tuple(map(MethodWord.parse, words))
