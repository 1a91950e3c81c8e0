"""Fit a classifier to cached features: no epochs, no random numbers, seconds.

Two forms. *Linear*: a regularised softmax regression. *Class map*: the classes of the pretrained
classifier, each with a learned share for every class of ours (`ops/class_map.py`). The shares are
not counted for every class by itself, which a few hundred images could not do: the rows of the
pretrained classifier are points that carry meaning, and a softmax regression over the rows gives
related classes related shares, seen in training or not.

Source   found and measured here on 389 photographs of six classes, 5-fold: class map 97.4 %,
         linear 92.8 %
Letters  N images, F features, C classes, K classes of the pretrained classifier
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fleetfoot.core.seeds import torch_rng
from fleetfoot.ops.class_map import ClassMap

ROW_PENALTY = 1e-3  # on the regression over the rows of the pretrained classifier
FOLDS = 5


def fit_linear(
    features_NF: Tensor, labels_N: Tensor, *, classes: int, penalty: float, iterations: int
) -> nn.Linear:
    """Return the softmax regression with classes weighted alike.

    Half the squared weights times ``penalty`` are added to the mean loss; L-BFGS takes at most
    ``iterations``.
    """
    targets_NC = F.one_hot(labels_N, classes).float()
    weight_CF, bias_C = _softmax_regression(
        features_NF,
        targets_NC,
        weight_N=_balance(labels_N, classes)[labels_N],
        penalty=penalty,
        iterations=iterations,
    )
    head = nn.Linear(features_NF.shape[1], classes, device=features_NF.device)
    with torch.no_grad():
        head.weight.copy_(weight_CF)
        head.bias.copy_(bias_C)
    return head


def fit_class_map(
    features_NF: Tensor, labels_N: Tensor, *, known: nn.Linear, classes: int, iterations: int
) -> ClassMap:
    """Return the class map whose shares fit the features.

    The pretrained classifier ``known``, F to K, is copied into it; L-BFGS takes at most
    ``iterations``.
    """
    with torch.no_grad():
        given_NK = F.linear(features_NF, known.weight, known.bias).softmax(dim=1)
        votes_NC = F.one_hot(labels_N, classes).float()
        votes_NC *= _balance(labels_N, classes)[labels_N][:, None]
        evidence_KC = given_NK.T @ votes_NC
        evidence_K = evidence_KC.sum(dim=1)
        rows_KF = F.normalize(known.weight.detach(), dim=1)
    weight_CF, bias_C = _softmax_regression(
        rows_KF,
        evidence_KC / evidence_K.clamp(min=1e-6)[:, None],
        weight_N=evidence_K,
        penalty=ROW_PENALTY,
        iterations=iterations,
    )
    head = ClassMap(known.in_features, known.out_features, classes).to(features_NF.device)
    with torch.no_grad():
        head.known.weight.copy_(known.weight)
        head.known.bias.copy_(known.bias)
        head.log_shares.copy_((rows_KF @ weight_CF.T + bias_C).log_softmax(dim=1))
    return head


def class_map_wins(
    features_NF: Tensor,
    labels_N: Tensor,
    *,
    known: nn.Linear,
    classes: int,
    penalty: float,
    iterations: int,
    seed: int,
) -> tuple[bool, float, float]:
    """Compare both forms by cross-validation inside the training images.

    Returns:
        Whether the class map is at least as often right, and the accuracies of class map and
        linear form.
    """
    fold_N = _folds(labels_N, seed=seed)
    right = {"map": 0, "linear": 0}
    for fold in range(min(FOLDS, len(labels_N))):
        inside, outside = fold_N != fold, fold_N == fold
        sizes = {"classes": classes, "iterations": iterations}
        x, y = features_NF[inside], labels_N[inside]
        heads: dict[str, Callable[[Tensor], Tensor]] = {
            "map": fit_class_map(x, y, known=known, **sizes),
            "linear": fit_linear(x, y, penalty=penalty, **sizes),
        }
        with torch.no_grad():
            for name, head in heads.items():
                found = head(features_NF[outside]).argmax(dim=1)
                right[name] += int((found == labels_N[outside]).sum())
    total = max(1, len(labels_N))
    return right["map"] >= right["linear"], right["map"] / total, right["linear"] / total


def _folds(labels_N: Tensor, *, seed: int) -> Tensor:
    """Deal the images of every class out to the folds, in random order."""
    shuffled = torch.randperm(len(labels_N), generator=torch_rng(seed, "fold"))
    by_class = shuffled[torch.argsort(labels_N.cpu()[shuffled], stable=True)]
    fold_N = torch.empty_like(by_class)
    fold_N[by_class] = torch.arange(len(by_class)) % FOLDS
    return fold_N.to(labels_N.device)


def _balance(labels_N: Tensor, classes: int) -> Tensor:
    """Weights by class under which all classes of the images weigh alike, 1 on average."""
    counts_C = torch.bincount(labels_N, minlength=classes).float()
    return len(labels_N) / (counts_C.clamp(min=1) * (counts_C > 0).sum())


def _softmax_regression(
    x_NF: Tensor, targets_NC: Tensor, *, weight_N: Tensor, penalty: float, iterations: int
) -> tuple[Tensor, Tensor]:
    """Return weight (C, F) and bias (C,) that minimise the weighted cross-entropy plus penalty."""
    classes = targets_NC.shape[1]
    weight_CF = torch.zeros(classes, x_NF.shape[1], device=x_NF.device, requires_grad=True)
    bias_C = torch.zeros(classes, device=x_NF.device, requires_grad=True)
    share_N = weight_N / weight_N.sum()
    optimizer = torch.optim.LBFGS(
        [weight_CF, bias_C], max_iter=iterations, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        log_p_NC = F.linear(x_NF, weight_CF, bias_C).log_softmax(dim=1)
        value = -(targets_NC * log_p_NC).sum(dim=1) @ share_N
        value = value + penalty / 2 * weight_CF.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return weight_CF.detach(), bias_C.detach()
