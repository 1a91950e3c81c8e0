"""Pages of the ledger: one per paper, and an index; from the claims and their stored results."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from fleetfoot.claims.claim import SCALES, Claim, Verdict

# Page, name and authors of a paper, by what `Claim.paper` begins with.
PAPERS = {
    "arXiv:2303.03667": ("fasternet", "FasterNet (Chen et al., 2023)"),
    "arXiv:1904.09730": ("vovnet", "VoVNet (Lee et al., 2019)"),
    "arXiv:1905.11946": ("efficientnet", "EfficientNet (Tan and Le, 2019)"),
    "arXiv:1807.11164": ("shufflenetv2", "ShuffleNetV2 (Ma et al., 2018)"),
    "NIPS 2012": ("alexnet", "AlexNet (Krizhevsky et al., 2012)"),
    "Williams": ("roofline", "Roofline (Williams, Waterman and Patterson, 2009)"),
}
NOT_MEASURED = "not measured yet"
OUTCOMES = {
    "failed_as_it_should": "failed as it should",
    "passed": "PASSED, though it must fail",
    "not_run": "not run",
}

PICTURE_WORDS = {
    "macs": "latency over multiply-accumulates",
    "bytes": "latency over bytes moved",
    "bytes-fused": "latency over bytes moved with fusion",
    "roofline": "latency over the roofline estimate",
}

Json = dict[str, Any]
Stored = Mapping[tuple[str, str], Json]


def ledger_pages(claims: Sequence[Claim], stored: Stored, pictures: Mapping[str, str]) -> Json:
    """Return the text of every page by its path below docs/."""
    by_page: dict[str, list[Claim]] = {}
    for claim in claims:
        by_page.setdefault(page_of(claim), []).append(claim)
    pages = {f"papers/{name}.md": _paper(of, stored, pictures) for name, of in by_page.items()}
    return {"reference/claims.md": _index(claims, stored, pictures), **pages}


def page_of(claim: Claim) -> str:
    """Return the name of the page of a claim's paper."""
    return _known(claim)[0]


def results_of(claim: Claim, stored: Stored) -> list[Json]:
    """Return the stored results of a claim, the most thorough first; smoke only if alone."""
    found = [stored[claim.id, scale] for scale in reversed(SCALES) if (claim.id, scale) in stored]
    return [result for result in found if result["scale"] != "smoke"] or found


def number(value: float | None) -> str:
    """Return a figure of a claim with three digits, a large one without decimals.

    >>> [number(v) for v in (7.10234, 0.8541, 1234.5, None)]
    ['7.1', '0.854', '1,234', 'none']
    """
    if value is None:
        return "none"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def rule_in_words(rule: str) -> str:
    """Return a rule of `fleetfoot.claims.claim` as a sentence.

    >>> rule_in_words("at_least(6.2, 3.6)")
    'reproduced at 6.2 or more, partly at 3.6 or more'
    """
    capped = re.fullmatch(r"capped\((.*)\)", rule)
    if capped:
        return f"partly at best, where else it would be: {rule_in_words(capped[1])}"
    found = re.fullmatch(r"(\w+)\(([\d.e+-]+), (?:reproduced=)?([\d.e+-]+)(.*)\)", rule)
    if found is None:
        return f"`{rule}`"
    kind, first, second = found[1], float(found[2]), float(found[3])
    if kind == "within":
        partly = float(found[4].partition("=")[2])
        return (
            f"reproduced within {100 * second:g} % of {number(first)}, partly within "
            f"{100 * partly:g} %"
        )
    word = {"at_least": "or more", "at_most": "or less"}.get(kind)
    if word is None:
        return f"`{rule}`"
    return f"reproduced at {number(first)} {word}, partly at {number(second)} {word}"


def _known(claim: Claim) -> tuple[str, str]:
    for source, (name, title) in PAPERS.items():
        if claim.paper.startswith(source):
            return name, f"{title}, {source}" if source.startswith("arXiv") else title
    source = claim.paper.partition(",")[0].strip()
    return re.sub(r"[^a-z0-9.]+", "-", source.lower()).strip("-"), source


def standing(claims: Sequence[Claim], stored: Stored) -> str:
    """Return one sentence: how many claims, how many measured, with which verdicts."""
    found = [results_of(claim, stored)[:1] for claim in claims]
    verdicts = [result["verdict"] for results in found for result in results]
    counts = [f"{verdicts.count(v)} {v}" for v in get_args(Verdict) if v in verdicts]
    told = f": {', '.join(counts)}" if counts else ""
    return f"{len(claims)} claims, {len(verdicts)} of them measured{told}."


def _index(claims: Sequence[Claim], stored: Stored, pictures: Mapping[str, str]) -> str:
    measured = [result for claim in claims for result in results_of(claim, stored)[:1]]
    return (
        "# The ledger of claims\n\n"
        "Headline claims of the papers, in our own words, each with a rule that was fixed before "
        "measuring and a control that must fail: the same measurement with the idea removed or "
        "broken. A verdict of *not reproduced* is a result like the others.\n\n"
        f"{standing(claims, stored)} `fleetfoot claims run ID` measures one on your "
        "machine, `fleetfoot claims table` shows all side by side.\n\n"
        f"{_picture('claims.svg', 'measured over published, claim by claim', pictures)}"
        f"{_table(claims, stored, '../papers/')}"
        f"{_where(measured)}"
        f"{_costs(claims, pictures)}"
    )


def _paper(claims: Sequence[Claim], stored: Stored, pictures: Mapping[str, str]) -> str:
    name, title = _known(claims[0])
    parts = [
        f"# {title}\n\n",
        _picture(f"claims-{name}.svg", f"claims of {title}", pictures),
        _table(claims, stored, ""),
    ]
    parts += [_section(claim, stored, pictures) for claim in claims]
    return "".join(parts)


def _table(claims: Sequence[Claim], stored: Stored, folder: str) -> str:
    lines = ["| claim | unit | paper | here | verdict | control |\n|---|---|--:|--:|---|---|\n"]
    for claim in claims:
        page = f"{folder}{page_of(claim)}.md" if folder else ""
        link = f"[`{claim.id}`]({page}#{_anchor(claim)})"
        found = results_of(claim, stored)
        here, verdict, control = "", NOT_MEASURED, ""
        if found:
            here = number(found[0]["measurement"]["value"])
            verdict = f"{_emphasis(found[0]['verdict'])}{_at(found[0])}"
            control = (
                f"{number(found[0]['control']['value'])}, {OUTCOMES[found[0]['control_outcome']]}"
            )
        paper = number(claim.paper_value)
        lines.append(f"| {link} | {claim.unit} | {paper} | {here} | {verdict} | {control} |\n")
    return "".join(lines)


def _section(claim: Claim, stored: Stored, pictures: Mapping[str, str]) -> str:
    place = re.search(r"\b(section|Table|Fig|Figure|appendix)\b.*", claim.paper)
    parts = [
        f"\n## `{claim.id}`\n\n{claim.sentence} ({place[0] if place else claim.paper})\n\n",
        f"Protocol: {claim.protocol}\n\n",
        f"Rule, fixed beforehand: {rule_in_words(claim.verdict.__qualname__)}; "
        f"decided at: {', '.join(claim.decides_at)}. Control: {claim.control_sentence}.\n\n",
    ]
    found = results_of(claim, stored)
    if not found:
        parts.append(f"{NOT_MEASURED.capitalize()} (scales: {', '.join(claim.scales)}).\n")
    parts.append("\n".join(_result(claim, result) for result in found))
    for file, words in PICTURE_WORDS.items():
        picture = _picture(f"{claim.id.replace('/', '.')}.{file}.svg", words, pictures)
        parts.append(picture and f"\n{picture.rstrip()}\n")
    return "".join(parts)


def _result(claim: Claim, result: Json) -> str:
    measurement, control = result["measurement"], result["control"]
    other = control["table"] if control["table"] != measurement["table"] else ()
    note = f"\n{measurement['note']}\n" if measurement["note"] else ""
    return (
        "| | value | |\n|---|--:|---|\n"
        f"| paper | {number(claim.paper_value)} | {claim.unit} |\n"
        f"| here | **{number(measurement['value'])}** | {_interval(measurement)}"
        f"{_emphasis(result['verdict'])}{_at(result)} |\n"
        f"| control | {number(control['value'])} | {_interval(control)}"
        f"{OUTCOMES[result['control_outcome']]} |\n"
        f"{note}\n{machine_of(result)}"
        f"{_rows('What was measured', measurement['table'])}"
        f"{_rows('The control', other)}"
    )


def machine_of(result: Json) -> str:
    """Return one sentence on where, when and with what code a result was measured."""
    provenance = result["provenance"]
    machine, versions = provenance["machine"], provenance["versions"]
    device = machine["accelerator"] or f"{machine['cores']} cores ({machine['cpu']})"
    took = result["minutes"]
    time = f"{took:.1f} minutes" if took >= 1 else f"{60 * took:.0f} seconds"
    commit = (provenance["commit"] or "")[:10] or "unknown"
    return (
        f"Measured {provenance['date'][:10]} at the {result['scale']} scale in "
        f"{time} on {device}, Python {machine['python']}, torch "
        f"{versions.get('torch', 'unknown')}, commit {commit}"
        f"{' with changes' if provenance['dirty'] else ''}.\n"
    )


def _costs(claims: Sequence[Claim], pictures: Mapping[str, str]) -> str:
    """Return the pictures of what tells the time of a network, with the claims behind them."""
    found = [
        f"{_picture(name, words, pictures)}[`{claim.id}`](../papers/{page_of(claim)}.md#"
        f"{_anchor(claim)})\n\n"
        for claim in claims
        for file, words in PICTURE_WORDS.items()
        if (name := f"{claim.id.replace('/', '.')}.{file}.svg") in pictures
    ]
    return f"\n## What tells the time of a network\n\n{''.join(found)}" if found else ""


def _rows(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = "| " + " | ".join(key.replace("_", " ") for key in keys) + " |\n"
    rule = "|" + "|".join("--:" if _is_number(rows[0].get(key)) else "---" for key in keys) + "|\n"
    body = "".join("| " + " | ".join(_cell(row.get(key)) for key in keys) + " |\n" for row in rows)
    return f"\n<details><summary>{title}</summary>\n\n{head}{rule}{body}\n</details>\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return str(value).replace("|", "\\|")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _interval(measurement: Json) -> str:
    if measurement["low"] is None or measurement["high"] is None:
        return ""
    return f"interval {number(measurement['low'])} to {number(measurement['high'])}; "


def _emphasis(verdict: str) -> str:
    return f"**{verdict}**" if verdict != "not at this scale" else verdict


def _at(result: Json) -> str:
    return "" if result["scale"] == "cpu" else f" ({result['scale']})"


def _anchor(claim: Claim) -> str:
    return re.sub(r"[^a-z0-9_-]", "", claim.id.lower())


def _picture(file: str, words: str, pictures: Mapping[str, str]) -> str:
    return f"![{words}](../images/{file})\n\n" if file in pictures else ""


def _where(measured: Sequence[Json]) -> str:
    """Return the machines of all results, once each."""
    machines = [result["provenance"]["machine"] for result in measured]
    places = [m["accelerator"] or f"{m['cores']} cores ({m['cpu']})" for m in machines]
    return f"\nMeasured on {'; '.join(dict.fromkeys(places))}.\n" if places else ""
