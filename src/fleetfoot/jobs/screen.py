"""Records as a person reads them: tables and lines; the words of ``--json`` are the fields.

Rich is imported for tables only, so that `predict` stays quick.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

Row = Sequence[str]

# more are no longer read on a screen
MOST_CLASSES = 50
MOST_LINES = 10


def show(verb: str, record: Any, stream: TextIO) -> None:
    """Write the record of a verb to ``stream`` for a person.

    Args:
        verb: the command-line word.
        record: what its job returned.
        stream: stdout.
    """
    _SHOWN[verb](record, stream)


def percent(fraction: float | None, *, digits: int = 1) -> str:
    """Return a fraction as per cent, "unknown" for None.

    >>> percent(0.98765)
    '98.8 %'
    """
    return "unknown" if fraction is None else f"{100 * fraction:.{digits}f} %"


def interval(correct: int, images: int) -> str:
    """Return the Wilson 95 % interval of a share of images.

    >>> interval(90, 99)
    '83.6 to 95.1 %'
    """
    from fleetfoot.measure.accuracy import wilson_interval

    low, high = wilson_interval(correct, images)
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def number(value: float | None, form: str = "{:.3g}") -> str:
    """Return a number as text, "-" for None."""
    return "-" if value is None else form.format(value)


def counted(value: int | None) -> str:
    """Return a large count with a unit.

    >>> [counted(n) for n in (950, 3_909_000, 338_000_000, None)]
    ['950', '3.91 M', '338 M', '-']
    """
    if value is None:
        return "-"
    for size, unit in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def table(stream: TextIO, headings: Row, rows: Iterable[Row], *, right: Iterable[int] = ()) -> None:
    """Write a table without borders; the columns in ``right`` are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = set(right)
    rows = list(rows)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        justify = "right" if index in columns else "left"
        whole = index == 0 or index in columns or not stream.isatty()  # names and figures
        grid.add_column(heading, justify=justify, no_wrap=whole)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    width = None if stream.isatty() else 1000  # a pipe has no width: lines stay whole
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    unlimited = console.options.update(max_width=10_000)
    least = console.measure(grid, options=unlimited).minimum
    if least > console.width:  # figures are never cut: a block a row
        for row in rows:
            lines(stream, [(head, cell) for head, cell in zip(headings, row) if cell])
            stream.write("\n")
        return
    with console.capture() as drawn:
        console.print(grid)
    for line in drawn.get().splitlines():
        stream.write(line.rstrip() + "\n")


def lines(stream: TextIO, pairs: Iterable[tuple[str, str]]) -> None:
    """Write one ``name  value`` per line, the values under each other."""
    kept = list(pairs)
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        stream.write(f"{name:<{width}}  {value}\n")


def _fit(record: Any, stream: TextIO) -> None:
    bundle, parity = record.bundle, record.parity
    pairs = [
        ("run", str(record.run)),
        ("network", str(record.net)),
        ("validation", _accuracy(record, "val_top1") + _top5(record.val_top5)),
        *([("test", _accuracy(record, "test_top1"))] if record.test_top1 is not None else []),
        ("training", _training(record)),
    ]
    if bundle is not None:
        pairs += [
            ("bundle", str(_get(bundle, "path"))),
            ("deployed", _deployed(bundle)),
            ("accuracy", f"{percent(_get(bundle, 'top1'))} (deployed form)"),
        ]
    pairs.append(("eager", f"{number(record.eager_latency_ms_p50)} ms"))
    if parity is not None:
        agreement = percent(_get(parity, "top1_agreement"))
        largest = number(_get(parity, "max_logit_difference"))
        pairs.append(("parity", f"{agreement} of answers equal, logits within {largest}"))
    if record.budget_met is not None:
        pairs.append(("budget", "met" if record.budget_met else "NOT met"))
    lines(stream, pairs)


def _accuracy(record: Any, key: str) -> str:
    """Return an accuracy with its interval, where the record has ``key_low`` and ``key_high``."""
    low, high = getattr(record, f"{key}_low", None), getattr(record, f"{key}_high", None)
    value = percent(getattr(record, key))
    return value if low is None else f"{value} ({100 * low:.1f} to {percent(high)}, 95 % interval)"


def _training(record: Any) -> str:
    speed = number(record.images_per_second, "{:,.0f}")
    seconds = number(record.train_seconds, "{:.1f}")
    return f"{record.epochs:.4g} epochs in {seconds} s, {speed} images/s"


def _deployed(bundle: Any) -> str:
    return (
        f"{number(_get(bundle, 'latency_ms_p50'))} ms (p90 "
        f"{number(_get(bundle, 'latency_ms_p90'))}), {_get(bundle, 'engine')} "
        f"{_get(bundle, 'precision')}, threads {_get(bundle, 'threads')}, "
        f"{_get(bundle, 'size')} px"
    )


def _top5(fraction: float | None) -> str:
    return "" if fraction is None else f" (top-5 {percent(fraction)})"


def _evaluate(record: Any, stream: TextIO) -> None:
    interval_text = interval(record.correct, record.images)
    lines(
        stream,
        [
            ("top-1", f"{percent(record.top1)} ({interval_text}, 95 % interval)"),
            ("top-5", percent(record.top5) if record.top5 is not None else "- (fewer classes)"),
            ("images", f"{record.correct} of {record.images} correct, split {record.split}"),
            ("calibration", f"expected error {percent(record.calibration.ece)}"),
        ],
    )
    present = [row for row in record.per_class if row.images]
    if len(present) <= MOST_CLASSES:
        stream.write("\n")
        headings = ("class", "images", "precision", "recall", "f1")
        rows = [
            (row.name, str(row.images), *(number(v, "{:.3f}") for v in _scores(row)))
            for row in present
        ]
        table(stream, headings, rows, right=range(1, 5))
    else:
        stream.write(f"\n{len(present)} classes; --json has every one\n")


def _scores(row: Any) -> tuple[float | None, ...]:
    return row.precision, row.recall, row.f1


def _predict(record: Any, stream: TextIO) -> None:
    answered = [p for p in record.predictions if p.error is None]
    rows = [(_printable(p.path), _printable(p.label), p) for p in answered]
    path_width = max((len(path) for path, _, _ in rows), default=0)
    label_width = max((len(label) for _, label, _ in rows), default=0)
    for path, label, p in rows:
        stream.write(
            f"{path:<{path_width}}  {label:<{label_width}}  "
            f"{100 * p.probability:5.1f} %  {p.latency_ms:.1f} ms\n"
        )


def _printable(name: str) -> str:
    """Return a name on one line: a file name may hold line breaks and terminal commands."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def _measure(record: Any, stream: TextIO) -> None:
    headings = (
        *("net", "form", "engine", "precision", "layout", "threads", "batch", "size", "params"),
        *("MACs", "p50 ms", "p90", "p99", "IQR", "noise", "GFLOPS", "roof", "mJ", "note"),
    )
    table(stream, headings, map(_cell, record.cells), right=range(5, 18))
    for roof in record.ceilings:
        stream.write(f"ceilings of {roof.threads} thread{'s' if roof.threads > 1 else ''}: ")
        peaks = [f"{name} {number(value)} GFLOPS" for name, value in roof.gflops.items()]
        speeds = [f"{name} {number(value)} GB/s" for name, value in roof.gb_per_s.items()]
        stream.write(f"{', '.join([*peaks, *speeds])}\n")
    for note in record.notes:
        stream.write(f"note: {note}\n")
    for source in sorted({cell.energy.energy_source or "" for cell in record.cells} - {""}):
        stream.write(f"energy: {source}\n")


def _cell(cell: Any) -> Row:
    how, times = cell.setup, cell.times
    return (
        *(cell.net, how.form, how.engine, how.precision, how.layout or "-"),
        *(str(how.threads), str(how.batch), str(how.size or "-")),
        *(counted(cell.counts.params), counted(cell.counts.macs)),
        *(number(times.latency_ms_p50), number(times.latency_ms_p90)),
        *(number(times.latency_ms_p99), number(times.latency_ms_iqr)),
        "-" if times.noise is None else percent(times.noise),
        number(times.gflops_achieved),
        "-" if times.roof_fraction is None else percent(times.roof_fraction, digits=0),
        number(cell.energy.energy_mj),
        cell.error or cell.note or "",
    )


def _deploy(record: Any, stream: TextIO) -> None:
    chosen, reference = record.chosen, record.reference
    top1 = f"{_shared(reference)} eager, {_shared(chosen.get('parity') or {})} deployed"
    pairs = [
        ("bundle", str(record.bundle)),
        ("network", str(record.net)),
        ("gate", f"{record.gate_images} images from {record.gate_source}"),
        ("top-1", top1),
        *(
            ("eager", f"{number(row['latency_ms_p50'])} ms {row['engine']} {row['precision']}")
            for row in record.yardsticks
        ),
    ]
    lines(stream, pairs)
    stream.write("\n")
    headings = ("", "engine", "precision", "layout", "threads", "p50 ms", "p90", "agree", "why")
    rows = [
        (
            *("*" if row["kept"] else "", row["engine"], row["precision"], row["layout"]),
            *(str(row["threads"]), number(row["latency_ms_p50"]), number(row["latency_ms_p90"])),
            percent((row["parity"] or {}).get("top1_agreement")) if row["parity"] else "-",
            row["reason"],
        )
        for row in record.candidates
    ]
    table(stream, headings, rows, right=range(4, 8))


def _shared(counts: dict[str, Any]) -> str:
    """Return correct answers as a share with its interval."""
    correct, images = counts.get("correct"), counts.get("images")
    if correct is None or not images:
        return "unknown"
    return f"{percent(correct / images)} ({interval(correct, images)})"


def _audit(record: Any, stream: TextIO) -> None:
    smallest, largest = record.smallest, record.largest
    sides = "unknown" if smallest is None else f"{_by(smallest)} to {_by(largest)} px"
    pairs = [
        ("images", f"{_counts(record.images)} ({record.looked_at} looked at)"),
        ("imbalance", f"{number(record.imbalance, '{:.1f}')} : 1, largest to smallest class"),
        ("sizes", f"{sides}; short side {_counts(record.short_sides)}"),
        ("modes", _counts(record.modes)),
        ("formats", _counts(record.formats)),
        ("EXIF-turned", str(len(record.exif_turned))),
        ("exact duplicates", _duplicates(record.exact_duplicates)),
        ("near duplicates", _duplicates(record.near_duplicates)),
        ("groups in several splits", str(len(record.groups_across_splits))),
        ("damaged", str(len(record.damaged))),
        *(("", damage.reason) for damage in record.damaged[:MOST_LINES]),
        *(("note", note) for note in record.notes),
    ]
    lines(stream, pairs)
    stream.write("\n")
    splits = list(record.images)
    rows = [
        (name, *(str(counts.get(split, 0)) for split in splits))
        for name, counts in list(record.classes.items())[:MOST_CLASSES]
    ]
    table(stream, ("class", *splits), rows, right=range(1, len(splits) + 1))
    if len(record.classes) > MOST_CLASSES:
        stream.write(f"{len(record.classes)} classes; --json has every one\n")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _duplicates(found: Any) -> str:
    across, differing = len(found.across_splits), len(found.differing_labels)
    return f"{len(found.groups)} groups, {across} across splits, {differing} with differing labels"


def _nets(record: Any, stream: TextIO) -> None:
    headings = ("name", "params", "MACs", "input", "paper", "weights", "licence of weights")
    rows = [
        (
            *(net.name, counted(net.params), counted(net.macs)),
            *("x".join(str(n) for n in net.input), net.paper),
            *(net.weights or "-", net.license or "-"),
        )
        for net in record.nets
    ]
    table(stream, headings, rows, right=(1, 2))


def _claims(record: Any, stream: TextIO) -> None:
    _CLAIM_SCREENS[record.word](record.claims, stream)


def _claims_list(claims: Sequence[Any], stream: TextIO) -> None:
    rows = [(c.id, " ".join(c.scales), c.paper, c.sentence) for c in claims]
    table(stream, ("claim", "scales", "paper", "sentence"), rows)


def _claims_table(claims: Sequence[Any], stream: TextIO) -> None:
    headings = (
        *("claim", "verdict", "paper", "here", "interval", "control", "outcome of control"),
        *("scale", "machine", "unit"),
    )
    rows = [
        (
            *(c.id, _verdict(c), number(c.paper_value), number(c.value), _interval(c)),
            *(number(c.control_value), _control(c), c.scale or "-", c.machine or "-", c.unit),
        )
        for c in claims
    ]
    table(stream, headings, rows, right=(2, 3, 5))
    if any(c.at_border or c.control_at_border for c in claims):
        stream.write("\n* the interval contains a border of the rule\n")


def _verdict(claim: Any) -> str:
    if claim.verdict is None and claim.error:  # told in full on stderr
        return "error"
    if claim.error:
        reason = "not stored" if claim.exit_code else claim.error.partition(":")[0]
        return f"{claim.verdict} ({reason})"
    return f"{claim.verdict or 'not measured'}{' *' if claim.at_border else ''}"


def _interval(claim: Any) -> str:
    return "-" if claim.low is None else f"{number(claim.low)} to {number(claim.high)}"


def _control(claim: Any) -> str:
    outcome = (claim.control_outcome or "-").replace("_", " ")
    if claim.control_error:
        return f"{outcome}: {claim.control_error}"
    return f"{outcome}{' *' if claim.control_at_border else ''}"


def _doctor(record: Any, stream: TextIO) -> None:
    rows = [(c.status, c.name, c.detail, c.fix or "") for c in record.checks]
    table(stream, ("", "what", "found", "mend with"), rows)
    wrong = sum(c.status == "wrong" for c in record.checks)
    stream.write("\nnothing is wrong\n" if not wrong else f"\n{wrong} things are wrong\n")


def _report(record: Any, stream: TextIO) -> None:
    stream.write(f"{record.html}\n{record.json}\n")


def _get(part: Any, key: str) -> Any:
    return part[key] if isinstance(part, dict) else getattr(part, key)


_SHOWN: dict[str, Callable[[Any, TextIO], None]] = {
    "fit": _fit,
    "evaluate": _evaluate,
    "predict": _predict,
    "measure": _measure,
    "deploy": _deploy,
    "audit": _audit,
    "report": _report,
    "nets": _nets,
    "claims": _claims,
    "doctor": _doctor,
}
_CLAIM_SCREENS = {"list": _claims_list, "run": _claims_table, "table": _claims_table}
