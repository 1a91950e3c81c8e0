"""The tables of measured results, from the committed files in benchmarks/results/."""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

RESULTS_LINK = "../../benchmarks/results"  # from docs/reference/
RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
Figures = dict[str, Any]


class Row(NamedTuple):
    """One line of a table of results."""

    file: str  # its result, without the suffix
    what: str
    told: Callable[[Figures], str]
    first: bool = False  # in the README, too


def results_table(*, first: bool = False, folder: str = RESULTS_LINK) -> str:
    """Return the table of results; a row without its file is left out.

    Args:
        first: only the rows of the README.
        folder: where the result files are, from the page of the table.
    """
    head = "| what | measured | result file |\n|---|---|---|\n"
    return head + "".join(
        f"| {row.what} | {row.told(figures)} | [{row.file}]({folder}/{row.file}.json) |\n"
        for row in ROWS
        if (row.first or not first) and (figures := read(row.file)) is not None
    )


def results_page() -> str:
    """Return the page of all results."""
    return (
        "# Measured results\n\n"
        "Each figure comes from a committed result file, which holds machine, versions, load and "
        "the commit that was measured. More: [measurements](measurements.md) beside timm and of "
        "noise, [the ledger](claims.md) of the papers' claims.\n\n"
        f"{results_table()}\n{machine_line()}"
    )


def machine_line(*, first: bool = False) -> str:
    """Return one sentence on where the figures were measured; files of another place are named.

    Args:
        first: only of the results in the README.
    """
    shown = {row.file for row in ROWS if row.first}
    places: dict[str, list[str]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        if first and path.stem not in shown:
            continue
        place = _place(json.loads(path.read_text(encoding="utf-8")))
        places.setdefault(place, []).append(path.stem)
    if not places:
        return ""
    usual, *others = sorted(places, key=lambda place: -len(places[place]))
    apart = "".join(f"; {', '.join(places[place])} on {place}" for place in others)
    return f"Measured on {usual}{apart}; `just bench main_job --data DATA` measures them again.\n"


def _place(result: Figures) -> str:
    machine, versions = result["machine"], result["versions"]
    engines = {"torch": "torch", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
    installed = ", ".join(
        f"{word} {versions[name]}" for name, word in engines.items() if versions.get(name)
    )
    cores = f"{machine['cores']} cores ({machine['cpu']})"
    return f"{machine.get('accelerator') or cores}, Python {machine['python']}, {installed}"


def read(name: str) -> Figures | None:
    """Return the figures of a result file, None if it is not there."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["figures"] if path.is_file() else None


def percent(fraction: float) -> str:
    """Return a fraction as per cent with one decimal."""
    return f"{100 * fraction:.1f} %"


def _digits(f: Figures) -> str:
    return f"{percent(f['val_top1'])} validation top-1, {f['wall_seconds']:.0f} s in all"


def _photos(f: Figures) -> str:
    each = ", ".join(percent(run["val_top1"]) for run in f["runs"])
    return f"{percent(f['val_top1_mean'])} mean validation top-1 (seeds 0 to 2: {each})"


def _cifar10(f: Figures) -> str:
    each = ", ".join(percent(run["test_top1"]) for run in f["runs"])
    loop, wall = (
        statistics.median(run[key] for run in f["runs"])
        for key in ("train_seconds", "wall_seconds")
    )
    return (
        f"{percent(f['test_top1_mean'])} mean test top-1, averaged over the horizontal flip "
        f"(seeds 0 to 2: {each}), loop {loop:.0f} s, {wall:.0f} s in all (medians)"
    )


def _budget(f: Figures) -> str:
    return _kept(f["with_weights"])


def _kept(f: Figures) -> str:
    word = "met" if f["budget_met"] else "NOT met"
    return (
        f"{word}: {f['net']} at {f['bundle']['size']} px, {f['bundle']['latency_ms_p50']:.2f} ms, "
        f"{percent(f['val_top1'])} validation top-1"
    )


def _lite0(f: Figures) -> str:
    return (
        f"{f['float32']['correct']} of {f['float32']['images']} correct in float32, "
        f"{f['tuned']['correct']} tuned ({f['deploy']['chosen']['engine']} "
        f"{f['deploy']['chosen']['precision']})"
    )


def _throughput(f: Figures) -> str:
    plan, torchs, plain, kept = (
        f["images_per_second"][name]
        for name in (
            "bfloat16 nhwc, fused kernels, memory kept",
            "bfloat16 nhwc, memory kept",
            "float32 nchw, default allocator",
            "float32 nchw, memory kept",
        )
    )
    return (
        f"{plan:.0f} images a second; {f['ratio']:.1f} times float32 as a plain loop has it "
        f"({plain:.0f}), {f['ratio_memory_kept']:.1f} times float32 with freed memory kept "
        f"({kept:.0f}), {f['ratio_of_kernels']:.2f} times the same with torch's kernels "
        f"({torchs:.0f})"
    )


def _tuned(f: Figures) -> str:
    return (
        f"{f['speed_up']:.1f} times ({f['tuned_ms_p50']:.2f} ms against {f['eager_ms_p50']:.2f} ms)"
    )


def _startup(f: Figures) -> str:
    return f"{statistics.median(f['help_wall_seconds']):.2f} s"


def _predict(f: Figures) -> str:
    one, five = f["predict_one_wall_seconds"], f["predict_five_wall_seconds"]
    return f"{statistics.median(one):.2f} s for one, {statistics.median(five):.2f} s for five"


def _kills(f: Figures) -> str:
    word = "bit-identical" if f["identical"] else "NOT identical"
    return f"{f['kills']} kills in {f['total_steps']} steps: {word} weights, average and metrics"


def _queue(f: Figures) -> str:
    killing, timing = f["killing"], f["timing"]
    word = "bit-identical" if killing["identical"] else "NOT identical"
    said = f"{killing['kills']} kills: {word} weights and values"
    if timing is None:
        return said
    ratio = timing["ratio_beside_to_without"]
    return f"{said}; a timing beside it takes {ratio:.3f} times as long as without it"


def peers_table() -> str:
    """Return milliseconds of ours and timm's by form; empty without peers.json.

    Each pair was measured in the same interleaved run; a network that we do not have is timm's.
    """
    figures = read("peers")
    if figures is None:
        return ""
    times: dict[tuple[str, str, str], float | None] = {}
    for row in figures["rows"]:
        form = f"{row['engine']} {row['precision']} {row['layout']}"
        times[row["net"], row["implementation"], form] = row["latency_ms_p50"]
    forms = list(dict.fromkeys(form for _, _, form in times))
    rows = list(dict.fromkeys((net, by) for net, by, _ in times))
    lines = ["| network | by | " + " | ".join(map(_form, forms)) + " |\n"]
    lines.append("|---|---|" + "--:|" * len(forms) + "\n")
    for net, by in rows:
        cells = [_ms(times.get((net, by, form))) for form in forms]
        lines.append(f"| {net} | {by} | {' | '.join(cells)} |\n")
    return "".join(lines)


def peers_line(folder: str = RESULTS_LINK) -> str:
    """Return one sentence on the run behind `peers_table`, with its anchors and its file."""
    figures = read("peers")
    if figures is None:
        return ""
    anchors: dict[str, list[float]] = {}
    for row in figures["anchors"]:
        if row["latency_ms_p50"] is not None:
            anchors.setdefault(row["anchor"], []).append(row["latency_ms_p50"])
    said = ", ".join(f"{name} {min(ms):.1f} to {max(ms):.1f} ms" for name, ms in anchors.items())
    return (
        f"Median ms of a call, batch {figures['batch']}, {figures['threads']} thread, random "
        f"weights; anchors in the same runs: {said}. [peers]({folder}/peers.json); "
        "`just bench peers` measures it again.\n"
    )


def _form(words: str) -> str:
    """Return a form as the head of a column; nchw goes without saying.

    >>> _form("eager float32 nhwc")
    'eager float32 nhwc'
    """
    return words.removesuffix(" nchw").replace("onnxruntime", "ONNX Runtime")


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _noise(f: Figures) -> str:
    one = f["one_process"]
    return (
        f"contains 0 in {one['contains_zero']} of {one['repeats']}, half-width "
        f"{percent(one['half_width_share_median'])}; 10 % slower told apart in "
        f"{one['slow_told_apart']} of {one['repeats']}"
    )


def _peers_row(f: Figures) -> str:
    shares = [row["share"] for row in f["differences"]]
    faster = sum(row["high_ms"] < 0 for row in f["differences"])
    return (
        f"ours {100 * min(shares):+.0f} to {100 * max(shares):+.0f} % of timm's time; faster in "
        f"{faster} of {len(shares)} forms, by the interval"
    )


def _yardsticks(f: Figures) -> str:
    must = f["must"]
    found = ", ".join(f"{times:.2f} ({by})" for by, times in must["times_as_fast"].items())
    return (
        f"{f['within_a_fifth']} of {len(f['rows'])} within a fifth; {must['net']}, "
        f"{must['form']}: {found or 'not measured'} (to lie in {must['low']:g} to "
        f"{must['high']:g}: {'it does' if must['holds'] else 'it does NOT'})"
    )


def _peak_memory(f: Figures) -> str:
    return "; ".join(
        f"{row['net']} {mb(row['peak_live_bytes'])} and {mb(row['measured']['call_bytes'])} MB"
        for row in f["rows"]
        if row["batch"] == 1
    )


def mb(size: int | None) -> str:
    """Return bytes as megabytes with one decimal."""
    return "unknown" if size is None else f"{size / 1e6:.1f}"


def _measure(f: Figures) -> str:
    found = f["report"]["headline"]
    return f"{found['cells']} rows of {found['nets']} networks in {f['wall_seconds']:.0f} s"


def _packed(f: Figures) -> str:
    def ratio(group: str, name: str) -> str:
        return f"{f[group][name]['packed']['times_as_fast']:.1f}"

    convs = [row["packed"]["times_as_fast"] for row in f["convolutions"].values()]
    nets = ", ".join(
        f"{name} {ratio('networks', f'{name}, batch 1')} and "
        f"{ratio('networks', f'{name}, batch 100')} at batch 1 and 100"
        for name in ("bnn_mnist_4096", "bnn_cifar10")
    )
    return (
        f"{ratio('products', '2048 cubed')} times as fast at 2048 cubed, {min(convs):.1f} to "
        f"{max(convs):.1f} in 3x3 convolutions, equal to the integer; against the faster engine "
        f"{nets}"
    )


def _unknown_classes(f: Figures) -> str:
    return (
        f"{percent(f['with_weights']['val_top1'])} validation top-1 with weights, "
        f"{percent(f['without_weights']['val_top1'])} without"
    )


ROWS = (
    Row("digits", "`fit digits --minutes 1`", _digits, first=True),
    Row(
        "photos",
        "290 photographs in 6 classes; EfficientNet-Lite0, whose weights know what they show; "
        "`--minutes 2`",
        _photos,
        first=True,
    ),
    Row(
        "unknown_classes",
        "290 pictures of handwritten digits, 128 px, which the weights do not know; `--minutes 1`",
        _unknown_classes,
        first=True,
    ),
    Row("budget", "the photographs, `--budget 5ms`, one thread", _budget, first=True),
    Row("budget_scratch", "the same without pretrained weights", _kept, first=True),
    Row("cifar10", "CIFAR-10 from scratch, `--minutes 10`", _cifar10, first=True),
    Row("lite0", "pretrained EfficientNet-Lite0, deployed, 500 photographs", _lite0),
    Row(
        "tuned",
        "FasterNet-T0, one thread, batch 1: tuned against PyTorch eager",
        _tuned,
        first=True,
    ),
    Row("throughput", "FasterNet-T0 training from JPEG files: `fit` against float32", _throughput),
    Row("kill_resume", "`kill -9` and `--resume`", _kills, first=True),
    Row("queue", "`claims run --queue`, killed and timed beside", _queue),
    Row("photos", "`predict` on photographs, whole process", _predict, first=True),
    Row("noise", "a network timed against itself, 95 % interval of the difference", _noise),
    Row("peers", "networks beside timm's, in the same runs", _peers_row, first=True),
    Row("yardsticks", "times as fast as eager, now against before", _yardsticks),
    Row("peak_memory", "peak memory of one image, counted and measured", _peak_memory),
    Row("measure_nets", "`measure --engine all --threads 1`, layers included", _measure),
    Row("packed", "products of packed signs against float32, one thread, packing counted", _packed),
    Row("startup", "`fleetfoot --help`, whole process", _startup),
)
