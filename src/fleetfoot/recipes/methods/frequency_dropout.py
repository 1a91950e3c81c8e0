"""Frequency Dropout, as its paper means it and as its code does it: a word of a recipe."""

from typing import Literal

import torch
from torch import nn

from fleetfoot.blocks.residual import ResidualBlock
from fleetfoot.core.errors import UsageError
from fleetfoot.core.results import PassResult
from fleetfoot.core.seeds import torch_rng
from fleetfoot.ops.frequency_dropout import RANDOM, FrequencyDropout
from fleetfoot.passes.insert_after import insert_after, take_out
from fleetfoot.recipes.method import Method, method
from fleetfoot.train.steps.recalibrate_norms import recalibrating_norms
from fleetfoot.train.steps.step import Context, Step, preceded

NAME = "frequency_dropout"
FILTERS = {"random": RANDOM, "gaussian": ("gaussian",), "sharpen": ("gaussian", "sharpen", "gabor")}


@method(
    acts="inside",
    paper="Islam, Glocker, ECCV 2022 workshops, arXiv:2209.09844",
    published="2 to 3 points on small images (from a summary; no table could be read)",
)
def frequency_dropout(
    form: Literal["paper", "released"] = "paper",
    filters: Literal["random", "gaussian", "sharpen"] = "random",
    size: int = 3,
) -> Method:
    """Behind every convolution wider than 1x1, channels pass random filters.

    "paper" draws a family and widths in every step for each convolution, and evaluates without
    filters, norms recalibrated without them. "released" draws one family for the whole network and
    widths in every epoch (convolutions of equal width in a residual block share them), and leaves
    the filters in place where the run is validated; the finished network has none.
    """
    families = FILTERS[filters]
    if size < 3 or size % 2 == 0:
        raise UsageError(f"size={size} is not an odd number of at least 3, as a filter's side is")

    def surgery(net: nn.Module) -> PassResult:
        redraw, keep = ("pass", False) if form == "paper" else ("epoch", True)

        def make(channels: int) -> nn.Module:
            return FrequencyDropout(
                channels, families=families, size=size, redraw=redraw, keep=keep
            )

        return insert_after(net, filtered_places(net), make)

    def step(inner: Step) -> Step:
        if form == "released":
            return drawing_each_epoch(inner, families)
        return recalibrating_norms(inner, FrequencyDropout)

    return Method(surgery=surgery, step=step, finish=lambda net: take_out(net, FrequencyDropout))


def filtered_places(net: nn.Module) -> dict[str, int]:
    """Return the paths of the convolutions wider than 1x1, with their output channels."""
    return {
        path: module.out_channels
        for path, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1
    }


def drawing_each_epoch(step: Step, families: tuple[str, ...]) -> Step:
    """Return ``step``, before which an epoch's filters are in place: a function of seed and epoch.

    One family is drawn for the whole network; filters of one residual block have the same key, so
    that equally wide ones draw the same widths.
    """

    def draw(net: nn.Module, context: Context) -> None:
        key = (context.recipe.seed, NAME, context.epoch)
        family = families[int(torch.randint(len(families), (), generator=torch_rng(*key)))]
        for place, module in _with_places(net):
            if getattr(module, "drawn_for", None) != key:
                module.draw((family,), generator=torch_rng(*key, place))
                module.drawn_for = key  # pyright: ignore[reportArgumentType]

    return preceded(step, draw)


def _with_places(net: nn.Module) -> list[tuple[str, FrequencyDropout]]:
    """Return every filter with the path of the residual block that it is in, or its own."""
    blocks = [path for path, module in net.named_modules() if isinstance(module, ResidualBlock)]
    return [
        (next((b for b in blocks if path.startswith(f"{b}.")), path), module)
        for path, module in net.named_modules()
        if isinstance(module, FrequencyDropout)
    ]
