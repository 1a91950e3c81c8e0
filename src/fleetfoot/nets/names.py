"""What other libraries call the parameters of our networks: JSON rules beside each network.

`FAMILY_names.json` lies beside `FAMILY.py`; its own ``reading`` key says how a rule is read.
"""

import importlib.resources
import json
import re
from collections.abc import Iterable
from functools import cache

from fleetfoot.core.errors import UsageError

OURS = "fleetfoot"
Rules = tuple[tuple[str, str], ...]
_BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.")


@cache
def rules_of(family: str) -> dict[str, Rules]:
    """Return the rules of each dialect of a network file, such as ``fasternet``; {} if none."""
    file = importlib.resources.files("fleetfoot.nets").joinpath(f"{family}_names.json")
    if not file.is_file():
        return {}
    dialects = json.loads(file.read_text(encoding="utf-8"))["dialects"]
    return {
        name: tuple((ours, theirs) for ours, theirs in rules) for name, rules in dialects.items()
    }


def foreign_names(ours: Iterable[str], family: str, dialect: str) -> dict[str, str]:
    """Return what another library calls each of our state-dict keys.

    Args:
        ours: all keys of one network.
        family: name of the file that defines it.
        dialect: "timm", "lukemelas", "official"; "fleetfoot" is the identity.

    Raises:
        UsageError: the family has no such dialect, or a key fits no rule.
    """
    names = list(ours)
    if dialect == OURS:
        return {name: name for name in names}
    rules = rules_of(family).get(dialect)
    if rules is None:
        known = ", ".join(rules_of(family)) or "none"
        raise UsageError(f"{family} has no name table {dialect!r}; it has {known}")
    order = _block_order(names)
    return {name: _foreign(name, rules, order) for name in names}


def fits_stages(name: str, family: str, dialect: str) -> bool:
    """Say whether a name of a file is one that a stage of some member of the family could have.

    One that the parts around the stages could have as well does not count.
    """
    if dialect == OURS:
        return re.match(r"stages\.\d+\.", name) is not None
    fitting = [ours for ours, theirs in rules_of(family)[dialect] if _their_form(theirs, name)]
    return bool(fitting) and all(ours.startswith("stages.") for ours in fitting)


def _their_form(rule: str, name: str) -> bool:
    text = re.escape(rule).replace(r"\{rest\}", ".+")
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", r"\\d+", text), name) is not None


def _foreign(name: str, rules: Rules, order: dict[tuple[str, str], int]) -> str:
    for ours, theirs in rules:
        match = _pattern(ours).fullmatch(name)
        if match is not None:
            parts = match.groupdict()
            where = _BLOCK.match(name)
            index = order[where[1], where[2]] if where else -1
            stages = 1 + max((int(stage) for stage, _ in order), default=-1)
            count = {"i": index, "i1": index + 1, "stages": stages, "blocks1": len(order) + 1}
            from_one = {f"{key}1": int(parts[key]) + 1 for key in ("s", "b") if key in parts}
            return theirs.format(**parts, **from_one, **count)
    raise UsageError(f"the name table has no rule for {name!r}")


@cache
def _pattern(rule: str) -> re.Pattern[str]:
    text = re.escape(rule)
    for letter in ("s", "b", "k"):
        text = text.replace(rf"\{{{letter}\}}", rf"(?P<{letter}>\d+)")
    return re.compile(text.replace(r"\{rest\}", "(?P<rest>.+)"))


def _block_order(names: list[str]) -> dict[tuple[str, str], int]:
    """Return the running number of each (stage, block), as libraries that count blocks through."""
    found = {(m[1], m[2]) for m in map(_BLOCK.match, names) if m}
    ordered = sorted(found, key=lambda pair: (int(pair[0]), int(pair[1])))
    return {pair: index for index, pair in enumerate(ordered)}
