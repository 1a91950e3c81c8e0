"""TSLA: label smoothing in the first part of a training, plain cross-entropy in the rest.

Paper    Xu et al., "Towards Understanding Label Smoothing", 2020, arXiv:2006.11653, algorithm 2
Departs  the moment is a share of the run, not an epoch
"""

from dataclasses import replace

from fleetfoot.train.steps.step import Context, Step, in_context


def two_stage_smoothing(step: Step, *, smoothing: float, until: float) -> Step:
    """Return ``step`` with label smoothing up to a share of the run, and without from there on."""

    def smoothed(context: Context) -> Context:
        now = smoothing if context.progress < until else 0.0
        return replace(context, recipe=context.recipe.with_changes(label_smoothing=now))

    return in_context(step, smoothed)
