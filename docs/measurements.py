"""The page of measurements: noise, ratios, memory and pictures, from benchmarks/results/."""

from collections.abc import Mapping
from typing import Any

from results import RESULTS_LINK, mb, peers_line, peers_table, percent, read

from fleetfoot.report.figures import shown
from fleetfoot.report.measure_pictures import measure_pictures
from fleetfoot.report.standalone import standalone

Json = dict[str, Any]

DRAWN = 3  # networks whose roofline and memory are shown


def measurement_pictures() -> dict[str, str]:
    """Return SVG files by name; none without a result of `measure_nets`."""
    figures = read("measure_nets")
    if figures is None:
        return {}
    report = figures["report"]
    shown_nets = {layers["net"] for layers in report["layers"][:DRAWN]}
    charts = measure_pictures(report)
    return {
        f"measure-{name}.svg": standalone(chart)
        for name, chart in charts.items()
        if chart and (name in ("latency", "accuracy") or name.partition("-")[2] in shown_nets)
    }


def measurements_page(pictures: Mapping[str, str]) -> str:
    """Return the page; a part without its result file is left out, an empty page is empty."""
    parts = [_noise(), _peers(), _yardsticks(), _memory(), _pictures(pictures)]
    found = "".join(part for part in parts if part)
    return f"# Measurements\n{found}" if found else ""


def _noise() -> str:
    figures = read("noise")
    if figures is None:
        return ""
    one, two = figures["one_process"], figures["two_processes"]
    return (
        "\n## Noise: a network against itself\n\n"
        f"`{figures['net']}` was timed against itself {one['repeats']} times, with "
        f"{figures['samples']} calls in {figures['rounds']} blocks each "
        f"([noise]({RESULTS_LINK}/noise.json)).\n\n"
        f"- The 95 % interval of the difference contains 0 in {one['contains_zero']} of "
        f"{one['repeats']}.\n"
        f"- Its half-width is {percent(one['half_width_share_median'])} of the median time "
        f"(95th percentile {percent(one['half_width_share_p95'])}); it is at most 5 % in "
        f"{one['narrow_enough']}.\n"
        f"- A version that was made {percent(figures['slower'] - 1)} slower on purpose is told "
        f"apart in {one['slow_told_apart']} of {one['repeats']}.\n"
        f"- Two fresh processes of the same network differ by "
        f"{percent(two['difference_share_median'])} in the median of {two['repeats']} pairs, and "
        f"by {percent(two['difference_share_max'])} at most.\n"
    )


def _peers() -> str:
    figures = read("peers")
    if figures is None:
        return ""
    rows = [
        f"| {d['net']} | {d['engine']} {d['precision']} {d['layout']} | {d['difference_ms']:+.2f} "
        f"| {d['low_ms']:+.2f} to {d['high_ms']:+.2f} | {100 * d['share']:+.1f} % |\n"
        for d in figures["differences"]
    ]
    return (
        f"\n## Beside timm\n\n{peers_table()}\n{peers_line()}\n"
        "The differences are our time minus timm's: below zero, ours is faster. The interval holds "
        "for these two processes only; two processes of one network differ, too (above).\n\n"
        "| network | form | ms | 95 % interval | of timm's time |\n|---|---|--:|--:|--:|\n"
        f"{''.join(rows)}"
    )


def _yardsticks() -> str:
    figures = read("yardsticks")
    if figures is None:
        return ""
    rows = [
        f"| {r['net']} | {r['implementation']} | {r['form']} | {r['times_as_fast']:.2f} "
        f"| {r['times_as_fast_before']:.2f} |\n"
        for r in figures["rows"]
    ]
    must = figures["must"]
    return (
        "\n## Times as fast as the eager form, now and before\n\n"
        f"{figures['within_a_fifth']} of {len(rows)} ratios are within a fifth of the earlier "
        f"ones. {must['net']} with {must['form']} has to be between {must['low']:g} and "
        f"{must['high']:g}: {'it is' if must['holds'] else 'it is NOT'} "
        f"([yardsticks]({RESULTS_LINK}/yardsticks.json)).\n\n"
        f"| network | by | form | now | before |\n|---|---|---|--:|--:|\n{''.join(rows)}"
    )


def _memory() -> str:
    figures = read("peak_memory")
    if figures is None:
        return ""
    names = ("variables", "torch_workspace", "system_workspace", "fragmentation")
    rows: list[str] = []
    for row in figures["rows"]:
        counted = [row["peak_live_bytes"], row["least_peak_bytes"], row["arena_bytes"]]
        difference = row["difference"] or dict.fromkeys(names)
        measured = row["measured"]["call_bytes"]
        cells = [mb(size) for size in (*counted, *(difference[n] for n in names), measured)]
        rows.append(f"| {row['net']} | {row['batch']} | {' | '.join(cells)} |\n")
    return (
        "\n## Peak memory: counted, and as the system sees it\n\n"
        "MB that a call adds to its process, without weights. What was measured is the sum of the "
        "counted peak, maps that variables hold longer than needed, workspace of operators from "
        "torch and from the system, and freed blocks that the C library keeps "
        f"([peak_memory]({RESULTS_LINK}/peak_memory.json)).\n\n"
        "| network | batch | counted peak | least over orders | arena | variables "
        "| torch workspace | system workspace | fragmentation | measured |\n"
        f"|---|{'--:|' * 9}\n{''.join(rows)}"
    )


def _pictures(pictures: Mapping[str, str]) -> str:
    figures = read("measure_nets")
    if figures is None:
        return ""
    titles = {
        "latency": "Latency over multiply-accumulates",
        "accuracy": "Accuracy over latency",
        **{f"roofline-{r['net']}": f"Roofline of {r['net']}" for r in figures["report"]["layers"]},
        **{
            f"memory-{m['net']}": f"Memory of {m['net']} over its operators"
            for m in figures["report"]["memory"]
        },
    }
    parts = [
        f"\n### {title}\n\n![{title}](../images/measure-{name}.svg)\n"
        for name, title in titles.items()
        if f"measure-{name}.svg" in pictures
    ]
    rows = figures["report"]["headline"]
    return (
        f"\n## Pictures\n\n{rows['timed']} of {rows['cells']} combinations of {rows['nets']} "
        f"networks ran, in {shown(figures['wall_seconds'], 'seconds')} in all "
        f"([measure_nets]({RESULTS_LINK}/measure_nets.json)). `fleetfoot measure NET... --out DIR` "
        f"makes such a page for your machine.\n{''.join(parts)}"
    )
