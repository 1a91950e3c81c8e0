"""Memory over the schedule: the bytes of the tensors alive while each operator runs."""

from collections.abc import Sequence

from fleetfoot.report import marks
from fleetfoot.report.figures import shown
from fleetfoot.report.plane import Axis, Plane

MEBI = 1 << 20


def memory_chart(
    live_bytes: Sequence[int], *, title: str, names: Sequence[str] = (), arena: int | None = None
) -> str:
    """Return a stepped area; an empty string without steps.

    Args:
        live_bytes: one figure per operator, in the order of execution; weights are not among them.
        title: of the chart.
        names: of the operators, for the titles of their bars.
        arena: bytes of one buffer that holds them all, a dashed line.
    """
    if not live_bytes:
        return ""
    highest = max(*live_bytes, arena or 0, 1) / MEBI
    plane = Plane(
        Axis(label="operators in order of execution", low=0, high=len(live_bytes)),
        Axis(label="live tensors, MiB", low=0, high=1.05 * highest),
        height=300,
    )
    bottom, peak = plane.y(0), max(live_bytes)
    parts = [plane.frame()]
    for step, size in enumerate(live_bytes):
        left, right, top = plane.x(step), plane.x(step + 1), plane.y(size / MEBI)
        name = names[step] if step < len(names) else f"operator {step + 1}"
        css = "c2" if size == peak else "c1"
        width, height = max(0.6, right - left), max(0.5, bottom - top)
        tip = f"{name}: {shown(size, 'bytes')}"
        parts.append(marks.rect(f"bar {css}", left, top, width, height, title=tip))
    legend = [("c1", "alive"), ("c2", f"peak, {shown(peak, 'bytes')}")]
    if arena is not None:
        y = plane.y(arena / MEBI)
        parts.append(marks.line("limit", plane.x(0), y, plane.x(len(live_bytes)), y))
        legend.append(("bad", f"arena, {shown(arena, 'bytes')}"))
    parts.append(plane.legend(legend))
    return marks.svg(parts, title=title, width=plane.width, height=plane.height)
