"""Networks by name: `create` builds one, `list_nets` lists them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fleetfoot.nets import catalog
from fleetfoot.nets.portable import create_from_folder
from fleetfoot.nets.protocol import FeatureNet
from fleetfoot.nets.weights import load_weights

LOCAL = "local:"


def create(
    name: str,
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    pretrained: bool = False,
    features_only: bool = False,
    **options: Any,
) -> nn.Module:
    """Return the network ``name``, in training mode, on the CPU.

    The same `torch.manual_seed` gives the same weights.

    Args:
        name: one of `list_nets`, or ``local:FOLDER`` for weights that `save_portable` wrote.
        num_classes: outputs; 0 gives pooled features, None the published number.
        in_chans: channels of the images; None is the published number, or that of the
            ``local:`` weights.
        pretrained: load trained weights; with another ``num_classes`` the classifier stays new.
        features_only: return a `FeatureNet`: images to a list of maps, with ``feature_info``.
        **options: of this network, such as ``drop_path``, ``dropout``, ``patch`` or ``width``;
            of every network ``class_map=K``: the classifier is an `ops.class_map.ClassMap`
            through K classes, which trained weights of K classes fill; and those of
            `nets.exchanges`, such as ``activation="fplus"``.

    Raises:
        UsageError: no such network or option, or no weights are known for it.
        MissingError: the package that brings the weights is not installed.
        DataError: weights that cannot be read.
    """
    if isinstance(name, str) and name.startswith(LOCAL):  # anything else is refused by the catalog
        folder = Path(name.removeprefix(LOCAL))
        net = create_from_folder(folder, num_classes=num_classes, in_chans=in_chans, **options)
    else:
        net = catalog.build(name, num_classes=num_classes, in_chans=in_chans, options=options)
        if pretrained:
            load_weights(net, name)
    return FeatureNet(net) if features_only else net


class _DrawNothing(TorchFunctionMode):
    """Leave new weights as they are: to draw nothing on the meta device takes milliseconds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_):
            return args[0]
        return func(*args, **(kwargs or {}))


def skeleton(name: str, **words: Any) -> nn.Module:
    """Return what `create` does, for shapes and counts: no parameter has memory or values."""
    with torch.device("meta"), _DrawNothing():
        return create(name, **words)


def list_nets(pattern: str = "*") -> list[str]:
    """Return the names that match a shell pattern, sorted."""
    return [found.name for found in catalog.entries(pattern)]
