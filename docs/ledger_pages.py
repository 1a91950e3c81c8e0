"""Pages of the ledger: one per paper, and an index; from the claims and their stored results."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ledger_words import (
    Json,
    control_in_words,
    device_of,
    footing_table,
    interval,
    machine_of,
    number,
    outcome_of,
    rule_in_words,
    standing,
    training_in_words,
    verdict_in_words,
)

from fleetfoot.claims.claim import Claim
from fleetfoot.claims.stored import Result, Stored, results_of

# Page, name and authors of a paper, by what `Claim.paper` begins with.
PAPERS = {
    "arXiv:2303.03667": ("fasternet", "FasterNet (Chen et al., 2023)"),
    "arXiv:1904.09730": ("vovnet", "VoVNet (Lee et al., 2019)"),
    "arXiv:1905.11946": ("efficientnet", "EfficientNet (Tan and Le, 2019)"),
    "arXiv:1807.11164": ("shufflenetv2", "ShuffleNetV2 (Ma et al., 2018)"),
    "arXiv:1502.03167": ("batchnorm", "Batch normalization (Ioffe and Szegedy, 2015)"),
    "arXiv:1312.4400": ("nin", "Network In Network (Lin et al., 2014)"),
    "arXiv:1412.6806": ("allcnn", "All-CNN (Springenberg et al., 2015)"),
    "arXiv:2209.09844": ("frequencydropout", "Frequency Dropout (Islam and Glocker, 2022)"),
    "arXiv:2111.14349": ("fplus", "FPLUS (Duan, Yang and Dai, 2021)"),
    "arXiv:2102.08098": ("gradinit", "GradInit (Zhu et al., 2021)"),
    "arXiv:1609.07061": ("qnn", "Quantized Neural Networks (Hubara et al., 2016)"),
    "arXiv:2103.00841": ("fdabnn", "FDA-BNN (Xu et al., 2021)"),
    "arXiv:2103.12369": ("recu", "ReCU (Xu et al., 2021)"),
    "arXiv:2207.09049": ("repbnn", "RepBNN (Shi et al., 2022)"),
    "arXiv:2201.05020": ("scl", "SCL (Tang et al., 2022)"),
    "arXiv:1602.02830": ("bnn", "Binarized Neural Networks (Courbariaux et al., 2016)"),
    "arXiv:2011.09398": ("larq", "Larq Compute Engine (Bannink et al., 2021)"),
    "Wan": ("dropconnect", "DropConnect (Wan et al., 2013)"),
    "NIPS 2012": ("alexnet", "AlexNet (Krizhevsky et al., 2012)"),
    "Regularisers": ("regularisers", "Regularisers (after dos Santos and Papa, 2022)"),
    "Williams": ("roofline", "Roofline (Williams, Waterman and Patterson, 2009)"),
}
NOT_MEASURED = "not measured yet"
FOOTINGS = """\
What a verdict may say depends on its footing:

- *as published*: the paper's own network, data and size, or a count. Only these can be reproduced
  or not;
- *scaled*: the same kind of network and data, but smaller or fewer;
- *stand-in*: another network, other data or another device, such as a CPU for a claim about a GPU.

Scaled and stand-in results only point the same way as the paper, or the other way. A result is
*undecided* if its interval contains a border of the rule, if its control passed, if trainings have
no interval, or if a regulariser was tried on a network that does not fit its training images.
"""

PICTURE_WORDS = {
    "macs": "latency over multiply-accumulates",
    "bytes": "latency over bytes moved",
    "bytes-fused": "latency over bytes moved with fusion",
    "roofline": "latency over the roofline estimate",
}


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


def _known(claim: Claim) -> tuple[str, str]:
    paper = claim.paper.removeprefix("ours, after ")
    for source, (name, title) in PAPERS.items():
        if paper.startswith(source):
            return name, f"{title}, {source}" if source.startswith("arXiv") else title
    source = paper.partition(",")[0].strip()
    return re.sub(r"[^a-z0-9.]+", "-", source.lower()).strip("-"), source


def _index(claims: Sequence[Claim], stored: Stored, pictures: Mapping[str, str]) -> str:
    measured = [result for claim in claims for result in results_of(claim, stored)]
    return (
        "# The ledger of claims\n\n"
        "Headline claims of the papers, in our own words. Each has a rule that was fixed before "
        "measuring, and a control that must fail: the same measurement with the idea removed or "
        "broken. *Not reproduced* is a result like the others. "
        "[How to read and run them](../guide/claims.md).\n\n"
        f"{FOOTINGS}\n"
        f"{standing(claims, stored)} `fleetfoot claims run ID` measures one on your "
        "machine, `fleetfoot claims table` shows all side by side.\n\n"
        f"{footing_table(claims, stored)}\n"
        "Until 2026-12-01 all were judged alike: "
        "[what changed](../decisions/0024-footing-of-claims.md).\n\n"
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
        start = f"| {link} | {claim.unit} | {number(claim.paper_value)} |"
        found = results_of(claim, stored)
        lines += [f"{start} {_cells(claim, result)} |\n" for result in found]
        if not found:
            lines.append(f"{start}  | {NOT_MEASURED} |  |\n")
    return "".join(lines)


def _cells(claim: Claim, result: Result) -> str:
    here = number(result.measurement.value)
    return f"{here} | {verdict_in_words(result)} | {_cell(control_in_words(claim, result))}"


def _section(claim: Claim, stored: Stored, pictures: Mapping[str, str]) -> str:
    decided = [
        f"{scale} ({claim.footing[scale]})" for scale in claim.footing if claim.decides(scale)
    ]
    place = re.search(r"\b(section|Table|Fig|Figure|appendix)\b.*", claim.paper)
    parts = [
        f"\n## `{claim.id}`\n\n{claim.sentence} ({place[0] if place else claim.paper})\n\n",
        f"Protocol: {claim.whole_protocol}\n\n",
        f"Rule, fixed beforehand: {rule_in_words(claim.rule.__qualname__)}; "
        f"decided at: {', '.join(decided)}. Control: {claim.control.sentence}.\n\n",
    ]
    found = results_of(claim, stored)
    if not found:
        parts.append(f"{NOT_MEASURED.capitalize()} (scales: {', '.join(claim.scales)}).\n")
    parts.append("\n".join(_result(claim, result) for result in found))
    for file, words in PICTURE_WORDS.items():
        picture = _picture(f"{claim.id.replace('/', '.')}.{file}.svg", words, pictures)
        parts.append(picture and f"\n{picture.rstrip()}\n")
    return "".join(parts)


def _result(claim: Claim, result: Result) -> str:
    measurement, control = result.measurement, result.control
    other = () if control is None or control.table == measurement.table else control.table
    note = f"\n{measurement.note}\n" if measurement.note else ""
    return (
        "| | value | |\n|---|--:|---|\n"
        f"| paper | {number(claim.paper_value)} | {claim.unit} |\n"
        f"| here | **{number(measurement.value)}** | {interval(measurement)}"
        f"{verdict_in_words(result)} |\n"
        f"{_control_row(claim, result)}"
        f"{note}\n{training_in_words(result)}{machine_of(result)}"
        f"{_rows('What was measured', measurement.table)}"
        f"{_rows('The control', other)}"
    )


def _control_row(claim: Claim, result: Result) -> str:
    if result.control is None:
        return f"| control | | {_cell(control_in_words(claim, result))} |\n"
    outcome = f"{interval(result.control)}{outcome_of(claim, result)}"
    return f"| control | {number(result.control.value)} | {outcome} |\n"


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


def _anchor(claim: Claim) -> str:
    return re.sub(r"[^a-z0-9_-]", "", claim.id.lower())


def _picture(file: str, words: str, pictures: Mapping[str, str]) -> str:
    return f"![{words}](../images/{file})\n\n" if file in pictures else ""


def _where(measured: Sequence[Result]) -> str:
    """Return the machines of all results, once each."""
    places = [device_of(result.provenance.machine) for result in measured]
    return f"\nMeasured on {'; '.join(dict.fromkeys(places))}.\n" if places else ""
