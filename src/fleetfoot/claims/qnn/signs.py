"""QNN: drawn signs are right in the mean, and a norm in front of a sign is a whole number.

Paper    Hubara et al., 2016, arXiv:1609.07061: section 2.1 (stochastic binarisation), section 4.3
         (norm and sign of a sum of signs), section 3 (quantisers of k bits)
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from fleetfoot.claims.claim import Claim, Control, Measurement, Setting, at_cpu, measured
from fleetfoot.claims.rules import at_least, at_most
from fleetfoot.ops.quantise import quantise_gradient
from fleetfoot.ops.sign import binarise, binarise_at_random

DRAWS = {"smoke": 2_000, "cpu": 200_000}
PRODUCTS = {"smoke": 64, "cpu": 1152}
CHANNELS = 256


@measured
def worst_mean(setting: Setting, draw: Callable[[Tensor], Tensor]) -> Measurement:
    """Return how far a mean of drawn signs is from the number clipped to [-1, 1].

    In standard errors, the largest of 41 numbers from -2 to 2. Where all draws are alike, one draw
    more or less counts as the standard error.
    """
    torch.manual_seed(0)
    draws = DRAWS[setting.scale]
    numbers = torch.linspace(-2, 2, 41)
    means = torch.stack([draw(x.expand(draws)).mean() for x in numbers])
    wanted = numbers.clamp(-1, 1)
    error = ((1 - wanted**2).clamp_min(1 / draws) / draws).sqrt()
    away = ((means - wanted).abs() / error).tolist()
    rows = [
        {"x": x, "mean": mean, "standard_errors": far}
        for x, mean, far in zip(numbers.tolist(), means.tolist(), away)
    ]
    return Measurement(value=max(away), table=tuple(rows))


@measured
def wrong_bits(setting: Setting, *, moved_by: int = 0) -> Measurement:
    """Return how many signs behind a norm are not those of a threshold of whole numbers.

    Asked about every sum of K signs, of norms with factors of both signs, tiny ones and zeros.

    Args:
        moved_by: what the thresholds are moved by.
    """
    from fleetfoot.kernels.packed_bits import Thresholds, unpack_bytes

    torch.manual_seed(0)
    products = PRODUCTS[setting.scale]
    norm = nn.BatchNorm2d(CHANNELS).eval()
    with torch.no_grad():
        norm.weight.normal_()[:8] *= 1e-30
        norm.weight[8:16] = 0
        norm.bias.normal_()
        norm.get_buffer("running_mean").normal_(0, products**0.5)
        norm.get_buffer("running_var").uniform_(0.1, products)
        sums = torch.arange(-products, products + 1, dtype=torch.float32)
        positive = norm(sums.view(-1, 1, 1, 1).expand(-1, CHANNELS, 1, 1)).flatten(1) >= 0
    found = Thresholds.of(positive.numpy(), -products)
    thresholds = Thresholds(found.least + np.int32(moved_by), found.turned)
    whole = np.repeat(sums.numpy().astype(np.int32)[:, None], CHANNELS, axis=1)
    signs = unpack_bytes(thresholds(whole), CHANNELS) > 0
    wrong = int((signs != positive.numpy()).sum())
    row = {"sums": len(sums), "channels": CHANNELS, "signs": signs.size, "wrong": wrong}
    return Measurement(value=float(wrong), table=(row,))


@measured
def kept_direction(setting: Setting, stochastic: bool, power: int = 1) -> Measurement:
    """Return the cosine of the mean of gradients in 6 bits to the gradient itself.

    Args:
        stochastic: they are drawn, so that their mean is that of the gradient.
        power: what gradients are raised to before: 0 leaves their signs alone.
    """
    torch.manual_seed(0)
    gradient = torch.distributions.StudentT(3.0).sample((20_000,)) * 1e-3
    times = 8 if setting.scale == "smoke" else 64
    asked = gradient if power else gradient.sign()
    found = sum(quantise_gradient(asked, 6, stochastic=stochastic) for _ in range(times)) / times
    cosine = torch.nn.functional.cosine_similarity(torch.as_tensor(found), gradient, dim=0).item()
    return Measurement(value=cosine, table=({"draws": times, "cosine": cosine},))


EXACT = at_cpu("as published")
CLAIMS = (
    Claim(
        id="qnn/drawn-signs",
        paper="arXiv:1609.07061, section 2.1",
        sentence="A sign drawn with the chance of a hard sigmoid has the number, clipped to "
        "[-1, 1], as its mean.",
        protocol="200,000 draws of each of 41 numbers from -2 to 2 (smoke: 2,000); the largest "
        "distance of a mean from the clipped number, in standard errors. Of 41 means the largest "
        "is above 4 once in 400 times.",
        unit="standard errors",
        measure=worst_mean(binarise_at_random),
        rule=at_most(4.0, 5.0),
        control=Control("the sign is not drawn", worst_mean(binarise)),
        **EXACT,
    ),
    Claim(
        id="qnn/norm-is-a-threshold",
        paper="arXiv:1609.07061, section 4.3, and the authors' kernels",
        sentence="Batch norm and sign behind a binary layer are a comparison with a whole number, "
        "exactly.",
        protocol="256 norms of random statistics, with factors of both signs, of 1e-30 and of 0, "
        "asked about every sum that 1152 products of signs can have; signs that the threshold "
        "gives otherwise.",
        unit="signs that differ",
        paper_value=0.0,
        measure=wrong_bits(),
        rule=at_most(0.0, 0.0),
        control=Control("each threshold is one higher", wrong_bits(moved_by=1)),
        **EXACT,
    ),
    Claim(
        id="qnn/six-bit-gradients",
        paper="arXiv:1609.07061, section 3.3",
        sentence="Gradients in 6 bits point where the gradients do.",
        protocol="20,000 gradients of long tails (Student's t of 3 degrees), quantised to signs "
        "and powers of two and drawn so that their mean stays; the cosine of the mean of 64 draws "
        "to the gradient. The paper has accuracies of networks; this is what they rest on.",
        unit="cosine",
        measure=kept_direction(stochastic=True),
        rule=at_least(0.99, 0.95),
        control=Control(
            "signs alone are quantised: no size is left", kept_direction(True, power=0)
        ),
        **at_cpu("stand-in"),
    ),
)
