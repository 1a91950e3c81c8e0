"""FasterNet, Figures 3 and 6: redundant channels, and where trained filters are largest.

Paper    Chen et al., CVPR 2023, arXiv:2303.03667v3, Figures 3 and 6
Letters  O filters, C channels, K kernel size, P positions of all images
"""

from collections.abc import Callable

import torch
from torch import Tensor

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, measured
from fleetfoot.claims.fasternet.trained_resnet import (
    NEEDS,
    STAND_IN,
    Trained,
    convolutions,
    first_of_each_stage,
    trained_resnet,
)
from fleetfoot.claims.rules import at_least

CENTRE = 4  # of the nine positions, row by row from 0


def salient_positions(weight: Tensor) -> Tensor:
    """Return how many filters are largest at each position.

    The size of a filter at a position is the Euclidean norm over its input channels.

    Args:
        weight: (O, C, K, K).

    Returns:
        Counts, (K * K,).
    """
    sizes_OK = weight.detach().flatten(2).norm(dim=1)
    return torch.bincount(sizes_OK.argmax(dim=1), minlength=sizes_OK.shape[1])


def share_of_leading_quarter(x: Tensor) -> float:
    """Return the share of the variance that a quarter of the principal directions hold.

    Args:
        x: feature maps, (N, C, H, W); each channel counts alike, constant ones do not count.
    """
    maps_CP = x.double().transpose(0, 1).flatten(1)
    maps_CP = maps_CP[maps_CP.std(dim=1) > 0]
    values = torch.linalg.eigvalsh(torch.corrcoef(maps_CP)).flip(0)
    return float(values[: max(1, len(values) // 4)].sum() / values.sum())


def shuffled(x: Tensor) -> Tensor:
    """Return the maps with the values of each channel shuffled over all images and positions."""
    generator = torch.Generator().manual_seed(0)
    values_CP = x.transpose(0, 1).flatten(1)
    shuffled = torch.stack(
        [row[torch.randperm(len(row), generator=generator)] for row in values_CP]
    )
    return shuffled.view(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)


@measured
def centre_over_others(setting: Setting, of: Callable[[Trained], torch.nn.Module]) -> Measurement:
    """Return Figure 6: the least lead of the centre over all stages."""
    trained = trained_resnet(setting)
    counts = {
        stage: torch.stack([salient_positions(layer.weight) for layer in layers]).sum(dim=0)
        for stage, layers in convolutions(of(trained)).items()
    }
    rows = tuple(
        {"stage": stage, "position": position + 1, "filters": int(number)}
        for stage, numbers in counts.items()
        for position, number in enumerate(numbers)
    )
    return Measurement(value=min(map(_lead, counts.values())), table=rows, note=trained.note)


def _lead(counts: Tensor) -> float:
    others = torch.cat((counts[:CENTRE], counts[CENTRE + 1 :]))
    return float(counts[CENTRE] / others.max())


@measured
def redundancy(setting: Setting, change: Callable[[Tensor], Tensor]) -> Measurement:
    """Return the leading quarter's mean share, after a change of the maps."""
    trained = trained_resnet(setting)
    shares = {
        stage: share_of_leading_quarter(change(seen.inputs))
        for stage, seen in first_of_each_stage(trained.net, trained.pictures).items()
    }
    rows = tuple({"stage": stage, "share": share} for stage, share in shares.items())
    return Measurement(value=sum(shares.values()) / len(shares), table=rows, note=trained.note)


CLAIMS = (
    Claim(
        id="fasternet/figure6-salient-position",
        paper="arXiv:2303.03667v3, Figure 6",
        sentence="The centre is the most frequent place at which the filters of a trained ResNet "
        "are largest, in every stage.",
        protocol=f"{STAND_IN} All 3x3 filters of a stage are counted at the position of their "
        "largest norm over input channels; the paper shows bars for ResNet-18, without figures.",
        unit="filters largest at the centre / at the next most frequent position, least of stages",
        measure=centre_over_others(lambda trained: trained.net),
        # most frequent by a tenth at least, in each stage
        rule=at_least(1.1, 1.1),
        control=Control(
            "the same network before training", centre_over_others(lambda trained: trained.initial)
        ),
        footing={"cpu": "stand-in"},
        needs=NEEDS,
    ),
    Claim(
        id="fasternet/figure3-redundancy",
        paper="arXiv:2303.03667v3, Figure 3",
        sentence="The feature maps of one layer are highly redundant across channels.",
        protocol=f"{STAND_IN} The maps that enter the first 3x3 convolution of stride 1 of each "
        "stage; each channel scaled to variance 1. Redundant is read as: a quarter of the "
        "principal directions hold three quarters of the variance. The paper shows pictures alone.",
        unit="share of variance in a quarter of the directions, mean of stages",
        measure=redundancy(lambda maps: maps),
        rule=at_least(0.75, 0.5),
        control=Control(
            "the values of each channel are shuffled over images and positions",
            redundancy(shuffled),
        ),
        footing={"cpu": "stand-in"},
        needs=NEEDS,
    ),
)
