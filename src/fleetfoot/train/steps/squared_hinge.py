"""The squared hinge loss: each logit is to lie beyond +1 for its class and beyond -1 for others.

Paper    Hubara et al., "Quantized Neural Networks", 2016, arXiv:1609.07061, section 5, after Tang,
         2013, arXiv:1306.0239: the mean over all outputs of max(0, 1 - y t)^2 with t of +1 or -1
Departs  targets that are shares, of mixed images, lie between -1 and +1
Letters  N batch, C classes
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.data.loader import Batch
from fleetfoot.train.steps.step import Context, Metrics, accuracy_of, inputs_of


def squared_hinge(logits_NC: Tensor, targets: Tensor) -> Tensor:
    """Return the loss, a scalar.

    Args:
        logits_NC: outputs.
        targets: labels (N,), or shares of each class (N, C).
    """
    shares = targets if targets.ndim == 2 else F.one_hot(targets, logits_NC.shape[1])
    signs_NC = 2 * shares.to(logits_NC.dtype) - 1
    return (1 - logits_NC * signs_NC).clamp_min(0).square().mean()


def squared_hinge_step(net: nn.Module, batch: Batch, context: Context) -> tuple[Tensor, Metrics]:
    """Compute the loss of a step; it knows no label smoothing.

    Raises:
        UsageError: classes are weighted, which this loss cannot do.
    """
    if context.class_weights is not None:
        raise UsageError(
            "method hinge has no weights of classes: set examples.balance to sampler or none"
        )
    images, targets = inputs_of(batch, context)
    with context.autocast():
        logits_NC = net(images)
    logits_NC = logits_NC.float()
    return squared_hinge(logits_NC, targets), {"accuracy": accuracy_of(logits_NC, targets)}
