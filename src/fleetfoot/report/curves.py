"""Training curves from metrics.jsonl, thinned to what a chart can show."""

from collections.abc import Sequence

from fleetfoot.core.results import Json

STEP_FIELDS = ("loss", "accuracy", "lr", "images_per_second")
EPOCH_FIELDS = ("train_loss", "val_loss", "val_top1", "val_top5", "val_top1_ema", "seconds")
POINTS = 200


def curves(metrics: Sequence[Json], *, points: int = POINTS) -> Json:
    """Return ``{"steps": [...], "epochs": [...]}``.

    Args:
        metrics: the objects of metrics.jsonl in order.
        points: at most this many points of steps; each is the mean over neighbouring steps, at the
            last of them.
    """
    steps = [line for line in metrics if line.get("kind") == "step"]
    epochs = [line for line in metrics if line.get("kind") == "epoch"]
    return {
        "steps": [_mean(group) for group in _groups(steps, points)],
        "epochs": [
            {name: line.get(name) for name in ("epoch", "step", *EPOCH_FIELDS)} for line in epochs
        ],
    }


def _groups(steps: list[Json], points: int) -> list[list[Json]]:
    size = max(1, -(-len(steps) // points))
    return [steps[start : start + size] for start in range(0, len(steps), size)]


def _mean(group: list[Json]) -> Json:
    found: Json = {"step": group[-1]["step"], "epoch": group[-1]["epoch"]}
    for name in STEP_FIELDS:
        values = [line[name] for line in group if name in line]  # a step may measure no accuracy
        found[name] = sum(values) / len(values) if values else None
    return found
