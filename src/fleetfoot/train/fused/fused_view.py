"""A second view of a network in training, over the same weights, whose steps take less time.

before   x -> BatchNorm2d -> act -> y       four sweeps over the map forward, three and more back
after    x -> BatchNormAct2d -> y           two and two (`kernels.norm_act`)
before   x -> Conv2d(k x k, stride k) -> y  a convolution
after    x -> PatchProduct -> y             a matrix product (`train.fused.patch_product`)

The network itself stays as it is: it is what is evaluated, averaged, saved and exported.

Exact    up to rounding
Skips    what is called more than once, stands at several paths or has hooks; a norm without
         weights or moving average. An activation without a kernel stays behind the norm
"""

from collections import Counter

from torch import fx, nn

from fleetfoot.core.errors import FleetfootError, UsageError, require
from fleetfoot.core.results import PassResult, Skip
from fleetfoot.core.surgery import grafted
from fleetfoot.core.trace import trace


def check_fused(*, device: str, layout: str) -> None:
    """Check that networks can be computed this way here.

    Raises:
        UsageError: not on this device or in this layout.
        MissingError: Numba is absent or broken.
    """
    if device != "cpu":
        raise UsageError("kernels is 'fused', but the kernels are for processors")
    if layout != "nhwc":
        raise UsageError("kernels is 'fused', but the kernels are for maps that lie channels last")
    _require_kernels()


def why_not_fused(*, device: str, layout: str) -> str | None:
    """Return why `check_fused` would refuse, or None."""
    try:
        check_fused(device=device, layout=layout)
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
        UsageError: the network is in evaluation mode, which the view would keep.
        MissingError: Numba is absent or broken.
    """
    _require_kernels()
    if not net.training:
        raise UsageError("a fused view is of a network in training mode: call `net.train()` first")
    try:
        graph = trace(net).graph
    except Exception as error:  # a forward pass may do anything with what stands for its input
        return PassResult(model=net, changed=(), skipped=(Skip("", str(error)),))
    places = _Places(net, graph)
    swaps: dict[str, nn.Module] = {}
    skipped: list[Skip] = []
    for node in graph.nodes:
        found = _fused(places, node)
        if isinstance(found, str):
            skipped.append(Skip(str(node.target), found))
        else:
            swaps |= found
    view = grafted(net, swaps) if swaps else net
    return PassResult(model=view, changed=tuple(swaps), skipped=tuple(skipped))


def _fused(places: "_Places", node: fx.Node) -> dict[str, nn.Module] | str:
    """Return what takes which place because of a node, or why it stays as it is."""
    from fleetfoot.train.fused.norm_act import BatchNormAct2d, activation_name, is_suited
    from fleetfoot.train.fused.patch_product import PatchProduct, has_patches

    path, module = str(node.target), places.module(node)
    # The exact types on purpose: a subclass may compute something else.
    if type(module) is nn.Conv2d and has_patches(module):
        return places.why_not(node) or {path: PatchProduct(module)}
    if type(module) is not nn.BatchNorm2d:
        return {}
    if not is_suited(module):
        return "the norm has no weights or no moving average"
    reason = places.why_not(node)
    if reason is not None:
        return reason
    reader = next(iter(node.users)) if len(node.users) == 1 else None
    act = None if reader is None else places.module(reader)
    if reader is None or act is None or not activation_name(act) or places.why_not(reader):
        return {path: BatchNormAct2d(module, None)}
    return {path: BatchNormAct2d(module, act), str(reader.target): nn.Identity()}


class _Places:
    """Where the modules of a traced network stand, and how often each is called."""

    def __init__(self, net: nn.Module, graph: fx.Graph) -> None:
        self._net = net
        self._calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
        self._paths = Counter(id(module) for _, module in net.named_modules(remove_duplicate=False))

    def module(self, node: fx.Node) -> nn.Module | None:
        """Return the module that a node calls, if it calls one."""
        return self._net.get_submodule(str(node.target)) if node.op == "call_module" else None

    def why_not(self, node: fx.Node) -> str | None:
        """Return why nothing may take the place of the module that a node calls."""
        module = self._net.get_submodule(str(node.target))
        hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        if self._calls[str(node.target)] > 1:
            return "the module is called more than once"
        if self._paths[id(module)] > 1:
            return "the module stands at several paths"
        return "the module has hooks" if any(getattr(module, kind) for kind in hooks) else None


def _require_kernels() -> None:
    for module in ("numba", "fleetfoot.kernels.norm_act", "fleetfoot.kernels.weight_gradient"):
        require(module, extra="kernels")
