"""The pictures of the docs, as SVG, from stored results: claims against papers, latency by cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger_pages import PICTURE_WORDS, page_of
from ledger_words import at_scale, control_in_words, number

from fleetfoot.claims.claim import Claim
from fleetfoot.claims.stored import Result, Stored, results_of
from fleetfoot.measure.compare import spearman, spearman_interval
from fleetfoot.report.plane import Axis
from fleetfoot.report.ratios import Ratio, ratio_chart
from fleetfoot.report.scatter import Dot, scatter
from fleetfoot.report.standalone import standalone

COLOURS = {
    "reproduced": "good",
    "partly": "c2",
    "not reproduced": "bad",
    "points the same way": "good",
    "points the other way": "bad",
    "undecided": "dim",
}
# A table whose rows have a network, a time and costs is drawn once per cost: per one that the
# claim's id names, where it names one.
COSTS = {
    "macs": ("macs", "GMACs per image", 1e9),
    "bytes_moved": ("bytes", "bytes moved, MB", 1e6),
    "bytes_moved_fused": ("bytes-fused", "bytes moved with fusion, MB", 1e6),
    "roofline_ms": ("roofline", "roofline estimate, ms", 1.0),
}
NETS, TIMES, ENOUGH = ("net", "network", "name"), ("latency_ms_p50", "ms_p50", "ms"), 10


def ledger_pictures(claims: Sequence[Claim], stored: Stored) -> dict[str, str]:
    """Return SVG files by name; nothing is drawn where nothing was measured."""
    found = {"claims.svg": _ratios(claims, stored, "claims: measured over published")}
    for name in sorted({page_of(claim) for claim in claims}):
        of = [claim for claim in claims if page_of(claim) == name]
        found[f"claims-{name}.svg"] = _ratios(of, stored, f"claims of {name}")
    for claim in claims:
        for result in results_of(claim, stored)[:1]:
            found |= _costs(claim, result.measurement.table)
    return {name: standalone(chart) for name, chart in found.items() if chart}


def _ratios(claims: Sequence[Claim], stored: Stored, title: str) -> str:
    """Return one line a result whose figure and paper's figure are above 0."""
    lines: list[Ratio] = []
    verdicts: list[str] = []
    for claim in claims:
        for result in results_of(claim, stored):
            paper, value = claim.paper_value, result.measurement.value
            if paper is not None and paper > 0 and value is not None and value > 0:
                lines.append(_line(claim, result, paper))
                verdicts.append(result.judgement.verdict)
    legend = [(css, verdict) for verdict, css in COLOURS.items() if verdict in verdicts]
    return ratio_chart(lines, title=title, legend=[*legend, ("hollow", "control")])


def _line(claim: Claim, result: Result, paper: float) -> Ratio:
    measurement, control = result.measurement, result.control
    at, verdict = at_scale(result), result.judgement.verdict
    low, high = measurement.low, measurement.high
    return Ratio(
        name=f"{claim.id}{at}",
        value=measurement.value / paper,
        css=COLOURS[verdict],
        text=f"{number(measurement.value)} here, {number(paper)} in the paper",
        title=f"{claim.id}{at}: {verdict} ({result.judgement.footing}), "
        f"{number(measurement.value)} against {number(paper)} ({claim.unit}); control "
        f"{control_in_words(claim, result)}",
        control=None if control is None or not control.value else control.value / paper,
        low=None if low is None else low / paper,
        high=None if high is None else high / paper,
    )


def _costs(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    if len(rows) < ENOUGH:
        return {}
    net = next((key for key in NETS if key in rows[0]), None)
    time = next((key for key in TIMES if key in rows[0]), None)
    if net is None or time is None:
        return {}
    named = {file for file, _, _ in COSTS.values() if file.partition("-")[0] in claim.id}
    return {
        f"{claim.id.replace('/', '.')}.{file}.svg": _cost(rows, (net, time, key), label, unit, file)
        for key, (file, label, unit) in COSTS.items()
        if (not named or file in named) and all(row.get(key) for row in rows)
    }


def _cost(
    rows: Sequence[Mapping[str, Any]],
    keys: tuple[str, str, str],
    label: str,
    unit: float,
    file: str,
) -> str:
    """Return a dot per network, its time over one cost, and how well the ranks of both agree."""
    net, time, cost = keys
    dots = [
        Dot(
            x=row[cost] / unit,
            y=row[time],
            css="c1",
            label=str(row[net]),
            title=f"{row[net]}: {row[cost] / unit:.3g} {label}, {row[time]:.3g} ms",
        )
        for row in rows
    ]
    xs, ys = [dot.x for dot in dots], [dot.y for dot in dots]
    # The claims judge times over that of a network timed beside each, which cancels slow minutes.
    judged = [row.get("latency_over_anchor", row[time]) for row in rows]
    low, high = spearman_interval(xs, judged)
    agreement = (
        f"rank correlation {spearman(xs, judged):.2f}, 95 % interval {low:.2f} to {high:.2f}"
    )
    return scatter(
        dots,
        Axis.over(xs, label, log=True),
        Axis.over(ys, "latency p50, ms", log=True),
        title=PICTURE_WORDS[file],
        legend=[("c1", agreement)],
    )
