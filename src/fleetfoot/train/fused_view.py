"""A second view of a network in training, over the same weights, whose steps take less time.

before   x -> BatchNorm2d -> act -> y       four sweeps over the map forward, three and more back
after    x -> BatchNormAct2d -> y           two and two (`kernels.norm_act`)
before   x -> Conv2d(k x k, stride k) -> y  a convolution
after    x -> PatchProduct -> y             a matrix product (`train.patch_product`)

The network itself stays as it is: it is what is evaluated, averaged, saved and exported.

Exact    up to rounding
Skips    what is called more than once or has hooks; a norm without weights or moving average. An
         activation without a kernel stays behind the norm
"""

from collections import Counter

from torch import fx, nn

from fleetfoot.core.errors import FleetfootError, UsageError, require
from fleetfoot.core.results import PassResult, Skip
from fleetfoot.core.surgery import grafted
from fleetfoot.core.trace import trace


def why_not_fused(*, device: str, layout: str) -> str | None:
    """Return why networks cannot be computed this way here, or None if they can."""
    if device != "cpu":
        return "the kernels are for processors"
    if layout != "nhwc":
        return "the kernels are for maps that lie channels last"
    try:
        _require_kernels()
    except FleetfootError as error:
        return str(error)
    return None


def view_of(net: nn.Module, kernels: str) -> nn.Module:
    """Return what computes the training steps of ``net``: itself with torch's kernels.

    Raises:
        MissingError: ``kernels`` is "fused", and Numba is absent or broken.
    """
    return fused_view(net).model if kernels == "fused" else net


def fused_view(net: nn.Module) -> PassResult:
    """Return the view of a network in training mode; where nothing can be fused, ``net`` itself.

    Raises:
        MissingError: Numba is absent or broken.
    """
    _require_kernels()
    from fleetfoot.train.norm_act import BatchNormAct2d, activation_name, is_suited
    from fleetfoot.train.patch_product import PatchProduct, has_patches

    try:
        graph = trace(net).graph
    except UsageError as error:
        return PassResult(model=net, changed=(), skipped=(Skip("", str(error)),))
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    swaps: dict[str, nn.Module] = {}
    skipped: list[Skip] = []
    for node in graph.nodes:
        path, module = _called(net, node)
        # The exact types on purpose: a subclass may compute something else.
        if type(module) is nn.Conv2d and has_patches(module):
            reason = _why_not(module, calls[path])
            swap: dict[str, nn.Module] = {path: PatchProduct(module)}
        elif type(module) is nn.BatchNorm2d:
            reason = _why_not(module, calls[path])
            if not is_suited(module):
                reason = "the norm has no weights or no moving average"
            swap = {path: BatchNormAct2d(module, None)}
            act_path, act = _reader(net, node)
            if act is not None and activation_name(act) and not _why_not(act, calls[act_path]):
                swap = {path: BatchNormAct2d(module, act), act_path: nn.Identity()}
        else:
            continue
        if reason is None:
            swaps |= swap
        else:
            skipped.append(Skip(path, reason))
    view = grafted(net, swaps) if swaps else net
    return PassResult(model=view, changed=tuple(swaps), skipped=tuple(skipped))


def _require_kernels() -> None:
    for module in ("numba", "fleetfoot.kernels.norm_act", "fleetfoot.kernels.weight_gradient"):
        require(module, extra="kernels")


def _called(net: nn.Module, node: fx.Node) -> tuple[str, nn.Module | None]:
    if node.op != "call_module":
        return "", None
    return str(node.target), net.get_submodule(str(node.target))


def _reader(net: nn.Module, node: fx.Node) -> tuple[str, nn.Module | None]:
    """Return path and module of the only thing that reads a node, if it is a module."""
    return _called(net, next(iter(node.users))) if len(node.users) == 1 else ("", None)


def _why_not(module: nn.Module, calls: int) -> str | None:
    if calls > 1:
        return "the module is called more than once"
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(module, kind) for kind in hooks):
        return "the module has hooks"
    return None
