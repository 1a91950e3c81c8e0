"""AlexNet, averages of answers: ten views of an image, and several networks.

Paper    Krizhevsky, Sutskever, Hinton, NIPS 2012: section 4.1 and table 1 (39.0 % of one view's
         answers are wrong, 37.5 % of ten), table 2 (40.7 % for one network, 38.1 % for five)
Letters  N images, K classes, C channels, H height, W width, S side of a view
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fleetfoot.claims.alexnet.small_nets import NETS, NETWORK, PUBLISHED, SIDE, UNIT, network
from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, everywhere, measured
from fleetfoot.claims.comparison import OTHER, points
from fleetfoot.claims.rules import at_least
from fleetfoot.claims.training import Outcome, error_of, is_smoke
from fleetfoot.claims.training_images import normalised, preprocess_of
from fleetfoot.core.seeds import seed_everything

MEMBERS = 5  # of the paper's ensemble
WHOLE = 32  # side of the images that views are cut from
BATCH = 250


def ten_views(x: Tensor, side: int) -> list[Tensor]:
    """Return four corners and the centre of images, then the mirror images of the five.

    Args:
        x: images, (N, C, H, W).
        side: of a view, S.

    Returns:
        Ten tensors, each (N, C, S, S).
    """
    down, right = x.shape[2] - side, x.shape[3] - side
    places = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
    views = [x[:, :, top : top + side, left : left + side] for top, left in places]
    return views + [view.flip(3) for view in views]


def shares_of_views(net: nn.Module, setting: Setting) -> Tensor:
    """Return the probabilities of ten views of the images that judge, (10, N, K)."""
    split = NETS.judges(setting)
    preprocess = preprocess_of(NETS.data, size=WHOLE)
    net = net.to(setting.device).eval()
    parts: list[Tensor] = []
    for start in range(0, len(split), BATCH):
        places = range(start, min(start + BATCH, len(split)))
        x = normalised(split, preprocess, places).to(setting.device)
        with torch.inference_mode():
            answers = [net(view.contiguous()).softmax(dim=1) for view in ten_views(x, SIDE)]
        parts.append(torch.stack(answers).cpu())
    return torch.cat(parts, dim=1)


@measured
def by_views(setting: Setting, average: Callable[[Tensor, Tensor], float]) -> Measurement:
    """Return how far the error falls from the centre view to all ten.

    Args:
        average: from probabilities (10, N, K) and labels (N,) to the error of the ten views.
    """
    table: list[dict[str, float]] = []
    for training, outcome in enumerate(NETS.trainings(PUBLISHED, setting)):
        shares = shares_of_views(outcome.net, setting)
        centre = error_of(shares[4], outcome.labels)
        ten = average(shares, outcome.labels)
        table.append(
            {"training": training, "centre_error_percent": centre, "ten_error_percent": ten}
        )
    falls = points([row["centre_error_percent"] - row["ten_error_percent"] for row in table])
    return replace(falls, table=tuple(table))


def of_the_average(shares: Tensor, labels: Tensor) -> float:
    """Return the error of the mean of the ten probabilities."""
    return error_of(shares.mean(dim=0), labels)


def of_each(shares: Tensor, labels: Tensor) -> float:
    """Return the mean of the ten views' own errors."""
    return float(np.mean([error_of(view, labels) for view in shares]))


def ensemble(setting: Setting) -> Measurement:
    """Return by how many points the mean probability of the networks beats their mean error."""
    return _fall([[outcome.logits for outcome in _members(setting)]], setting)


def with_untrained(setting: Setting) -> Measurement:
    """Return the same of ensembles of one trained network each and untrained ones."""
    others = [_untrained_logits(OTHER + number, setting) for number in range(MEMBERS - 1)]
    return _fall([[outcome.logits, *others] for outcome in _members(setting)], setting, trained=1)


def _members(setting: Setting) -> list[Outcome]:
    count = 2 if is_smoke(setting) else MEMBERS
    return [NETS.train(PUBLISHED, setting, seed=seed) for seed in range(count)]


def _fall(
    ensembles: Sequence[Sequence[Tensor]], setting: Setting, *, trained: int | None = None
) -> Measurement:
    """Return the mean over ensembles; of each, the first ``trained`` members count as members."""
    labels = torch.from_numpy(NETS.judges(setting).labels)
    table: list[dict[str, float]] = []
    for members in ensembles:
        alone = float(np.mean([error_of(logits, labels) for logits in members[:trained]]))
        mean = torch.stack([logits.softmax(dim=1) for logits in members]).mean(dim=0)
        together = error_of(mean, labels)
        table.append({"member_error_percent": alone, "ensemble_error_percent": together})
    falls = points([row["member_error_percent"] - row["ensemble_error_percent"] for row in table])
    return replace(falls, table=tuple(table))


def _untrained_logits(seed: int, setting: Setting) -> Tensor:
    split = NETS.judges(setting)
    seed_everything(seed)
    net = network(PUBLISHED, setting.scale).eval()
    with torch.inference_mode():
        parts = normalised(split, NETS.preprocess(setting), range(len(split))).split(BATCH)
        return torch.cat([net(part) for part in parts])


# What is compared is answers of one network, or of several, and not their trainings.
SHARED: dict[str, Any] = {
    "unit": UNIT,
    "footing": everywhere("stand-in"),
    "needs": NETS.needs(None),
}

CLAIMS = (
    Claim(
        id="alexnet/ten-views",
        paper="NIPS 2012, section 4.1 and table 1",
        sentence="The mean answer to four corners, the centre and their mirror images has 1.5 "
        "points less error than the answer to the centre.",
        protocol=f"{NETWORK} 24-pixel views of 32-pixel images, as ImageNet's 224 of 256; the "
        "probabilities are averaged, in float32; one difference of each seed. The paper's points "
        f"are of ImageNet. About 50 minutes on an accelerator, bound by the making of crops.",
        paper_value=1.5,
        measure=by_views(of_the_average),
        rule=at_least(1.5, 0.5),
        control=Control("the ten views answer one by one, nothing is averaged", by_views(of_each)),
        **SHARED,
    ),
    Claim(
        id="alexnet/ensemble",
        paper="NIPS 2012, table 2",
        sentence="The mean answer of five networks has 2.6 points less error than one of them.",
        protocol=f"{NETWORK} Five of them, from five seeds; the probabilities for the centre view "
        "are averaged, and held against the mean of the five errors. The paper's points are of "
        f"ImageNet. The trainings are those of the other claims.",
        paper_value=2.6,
        measure=ensemble,
        rule=at_least(2.6, 1.0),
        control=Control(
            "four of the five networks are untrained; the mean over the five trained",
            with_untrained,
        ),
        **SHARED,
    ),
)
