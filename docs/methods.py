"""The table of methods of training: what each does, what was published, what was measured here."""

import inspect
from collections.abc import Sequence

from ledger_pages import page_of
from ledger_words import at_scale, number

from fleetfoot.claims.claim import Claim
from fleetfoot.claims.stored import Stored, results_of
from fleetfoot.recipes.method import MethodEntry, catalog

PLACES = {
    "image": "On images",
    "inside": "Inside the network",
    "label": "On labels and the loss",
    "start": "Before the first step",
}


def methods_table(claims: Sequence[Claim], stored: Stored) -> str:
    """Return a table for each place where methods act, from their catalog and stored results."""
    parts: list[str] = []
    for acts, title in PLACES.items():
        parts.append(
            f"\n## {title}\n\n| `--method` | what it does | paper | published | here |\n"
            "|---|---|---|---|---|\n"
        )
        for entry in catalog().values():
            if entry.acts == acts:
                cells = (entry.paper, entry.published or "", measured(entry.name, claims, stored))
                parts.append(f"| `{word(entry)}` | {entry.summary} | {' | '.join(cells)} |\n")
    return "".join([*parts, "\n"])


def word(entry: MethodEntry) -> str:
    """Return the word of a method with its settings as they are where none is given.

    >>> word(catalog()["cutmix"])
    'cutmix:alpha=1.0,probability=0.5'
    """
    parameters = inspect.signature(entry.build).parameters.values()
    settings = ",".join(f"{p.name}={_text(p.default)}" for p in parameters)
    return f"{entry.name}:{settings}" if settings else entry.name


def measured(name: str, claims: Sequence[Claim], stored: Stored) -> str:
    """Return what the stored results of a method's claims say, with links to them; "" if nothing.

    A claim is a method's if its id begins with the method's name, or has it behind the family of
    the regularisers.
    """
    told: list[str] = []
    for claim in claims:
        if not _is_about(claim, name.replace("_", "-")):
            continue
        for result in results_of(claim, stored):
            value = number(result.measurement.value)
            told.append(
                f"[{claim.id.partition('/')[2]}](../papers/{page_of(claim)}.md): {value} "
                f"{claim.unit}, {result.judgement.verdict}{at_scale(result)}"
            )
    return "; ".join(told)


def _is_about(claim: Claim, name: str) -> bool:
    family, _, what = claim.id.partition("/")
    regularises = family == "regularisers" and (what == name or what.startswith(f"{name}-"))
    return regularises or family == name.replace("-", "")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
