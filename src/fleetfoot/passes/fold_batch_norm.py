"""Fold each batch normalisation into the convolution that feeds it.

before   x -> Conv2d(W, b) -> BatchNorm2d(gamma, beta, mean, var) -> y
after    x -> Conv2d(W * s, (b - mean) * s + beta) -> y        with s = gamma / sqrt(var + eps)

Exact    in evaluation mode, up to float rounding; the algebra is done in float64
Skips    a convolution read by anything else, a shared module, a norm without running statistics
Letters  O output channels
"""

import copy
from typing import cast

import torch
from torch import Tensor, fx, nn

from fleetfoot.core.results import PassResult, Skip
from fleetfoot.core.trace import trace


def fold_batch_norm(model: nn.Module) -> PassResult:
    """Return a folded copy of ``model`` in evaluation mode; ``model`` itself is left alone.

    Raises:
        UsageError: the model cannot be traced.
    """
    traced = trace(copy.deepcopy(model).eval())
    changed: list[str] = []
    skipped: list[Skip] = []
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    for norm_node in [n for n in traced.graph.nodes if any(_calls(traced, n, k) for k in norms)]:
        reason = _why_not(traced, norm_node)
        if reason is not None:
            skipped.append(Skip(site=str(norm_node.target), reason=reason))
            continue
        conv_node = norm_node.args[0]
        conv = cast(nn.Conv2d, traced.get_submodule(conv_node.target))
        norm = cast(nn.BatchNorm2d, traced.get_submodule(norm_node.target))
        traced.set_submodule(conv_node.target, folded_conv(conv, norm))
        norm_node.replace_all_uses_with(conv_node)
        traced.graph.erase_node(norm_node)
        changed.append(conv_node.target)
    traced.graph.lint()
    traced.recompile()
    traced.delete_all_unused_submodules()
    return PassResult(model=traced, changed=tuple(changed), skipped=tuple(skipped))


@torch.no_grad()
def folded_conv(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return one convolution equal to ``norm(conv(x))`` in evaluation mode; keeps the dtype."""
    mean_O, var_O = (cast(Tensor, t).double() for t in (norm.running_mean, norm.running_var))
    scale_O = 1.0 / torch.sqrt(var_O + norm.eps)
    if norm.affine:
        scale_O = scale_O * norm.weight.double()
    bias_O = -mean_O if conv.bias is None else conv.bias.double() - mean_O
    shift_O = bias_O * scale_O
    if norm.affine:
        shift_O = shift_O + norm.bias.double()

    folded = copy.deepcopy(conv)
    dtype = conv.weight.dtype
    folded.weight = nn.Parameter((conv.weight.double() * scale_O[:, None, None, None]).to(dtype))
    folded.bias = nn.Parameter(shift_O.to(dtype))
    return folded


def _why_not(traced: fx.GraphModule, norm_node: fx.Node) -> str | None:
    """Return why this normalisation has to stay, or None if it can be folded."""
    conv_node = norm_node.args[0] if norm_node.args else None
    if not isinstance(conv_node, fx.Node) or not _calls(traced, conv_node, nn.Conv2d):
        return "its input is not a plain convolution"
    if len(conv_node.users) > 1:
        return "the convolution is read by something else"
    if _call_count(traced, conv_node) > 1 or _call_count(traced, norm_node) > 1:
        return "the module is called more than once"
    if _reads_parameters_of(traced, conv_node):
        return "the filters are read by something else"
    if traced.get_submodule(str(norm_node.target)).running_var is None:
        return "the normalisation keeps no running statistics"
    return None


def _calls(traced: fx.GraphModule, node: fx.Node, kind: type[nn.Module]) -> bool:
    # The exact type on purpose: a subclass, or a parametrised module, may compute something else.
    return node.op == "call_module" and type(traced.get_submodule(str(node.target))) is kind


def _call_count(traced: fx.GraphModule, node: fx.Node) -> int:
    return sum(n.op == "call_module" and n.target == node.target for n in traced.graph.nodes)


def _reads_parameters_of(traced: fx.GraphModule, node: fx.Node) -> bool:
    prefix = f"{node.target}."
    return any(n.op == "get_attr" and str(n.target).startswith(prefix) for n in traced.graph.nodes)
