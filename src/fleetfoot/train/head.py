"""Train the classifier alone on cached features: minutes become seconds on pretrained weights.

The body is frozen, so its pooled features are computed once for the plain images and for some
augmented views. The classifier is trained on them, standardised, and the standardisation is folded
into its weights.

Letters  N images (times views), F features, C classes
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.errors import UsageError
from fleetfoot.core.seeds import torch_rng
from fleetfoot.data.loader import Loader
from fleetfoot.data.samples import Data
from fleetfoot.train.optimizers import set_lr
from fleetfoot.train.schedule import lr_factor
from fleetfoot.train.steps import Context

HEAD_BATCH = 256


def train_head(net: nn.Module, data: Data, context: Context, *, workers: int) -> None:
    """Replace the weights of ``net.classifier`` by ones trained on frozen features.

    Over several processes each does the same.

    Args:
        net: has `forward_pooled` and `classifier`, a linear layer.
        data: the data set; its training images are read.
        context: recipe, precision, layout and class weights.
        workers: processes that read images.

    Raises:
        UsageError: the network has no linear classifier.
    """
    classifier = getattr(net, "classifier", None)
    if not isinstance(classifier, nn.Linear) or not hasattr(net, "forward_pooled"):
        raise UsageError(
            f"head_steps = {context.recipe.head_steps} needs a network with `forward_pooled` and a "
            f"linear `classifier`; {type(net).__name__} has none: set head_steps to 0"
        )
    features_NF, labels_N = cached_features(net, data, context, workers=workers)
    weight_CF, bias_C = fit_linear(features_NF, labels_N, context)
    with torch.no_grad():
        classifier.weight.copy_(weight_CF)
        classifier.bias.copy_(bias_C)


@torch.no_grad()
def cached_features(
    net: nn.Module, data: Data, context: Context, *, workers: int
) -> tuple[Tensor, Tensor]:
    """Return pooled features (N, F) and labels (N,): plain images first, then augmented views."""
    recipe = context.recipe
    forward_pooled = cast(nn.Module, net.forward_pooled)
    preprocess = context.normalise.preprocess
    rows: list[tuple[Tensor, Tensor]] = []
    was_training = net.training
    net.eval()
    plain = Loader(data.train, preprocess, batch=64, workers=workers)
    views = Loader(
        data.train,
        preprocess,
        batch=min(64, len(data.train)),
        seed=recipe.seed,
        augment=recipe.augment,
        workers=workers,
    )
    streams = [plain.evaluate(), *(views.epoch(view) for view in range(recipe.head_views))]
    for stream in streams:
        for batch in stream:
            with context.autocast():
                features = forward_pooled(context.normalise(batch.images))
            rows.append((features.float(), batch.labels.to(features.device)))
    net.train(was_training)
    return torch.cat([row[0] for row in rows]), torch.cat([row[1] for row in rows])


def fit_linear(features_NF: Tensor, labels_N: Tensor, context: Context) -> tuple[Tensor, Tensor]:
    """Return weight (C, F) and bias (C,) of a linear classifier of the features."""
    recipe = context.recipe
    mean_F = features_NF.mean(dim=0)
    std_F = features_NF.std(dim=0).clamp(min=1e-6)
    scaled_NF = (features_NF - mean_F) / std_F
    weight_CF = torch.zeros(context.classes, features_NF.shape[1], device=features_NF.device)
    bias_C = torch.zeros(context.classes, device=features_NF.device)
    weight_CF.requires_grad_(True)
    bias_C.requires_grad_(True)
    groups = [
        {"params": [weight_CF], "lr_scale": 1.0, "weight_decay": recipe.head_weight_decay},
        {"params": [bias_C], "lr_scale": 1.0, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.head_lr)
    generator = torch_rng(recipe.seed, "head")
    for step in range(recipe.head_steps):
        picked = torch.randint(len(labels_N), (HEAD_BATCH,), generator=generator)
        logits_NC = F.linear(scaled_NF[picked], weight_CF, bias_C)
        loss = F.cross_entropy(
            logits_NC,
            labels_N[picked],
            weight=context.class_weights,
            label_smoothing=recipe.label_smoothing,
        )
        factor = lr_factor(step, total_steps=recipe.head_steps, warmup_steps=0, schedule="cosine")
        set_lr(optimizer, recipe.head_lr * factor)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        folded_CF = weight_CF / std_F
        return folded_CF, bias_C - folded_CF @ mean_F
