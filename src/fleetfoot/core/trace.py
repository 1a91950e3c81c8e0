"""Our tracer: the graph of a network whose leaves are torch.nn and fleetfoot.ops modules.

A rewrite matches modules by exact type, so an operator must stay one node: a `PartialConv2d` that
was traced through would be a split, a convolution and a concatenation.
"""

from typing import TYPE_CHECKING, Any

from fleetfoot.core.errors import UsageError, first_line

if TYPE_CHECKING:
    from torch import fx, nn


def trace(model: "nn.Module") -> "fx.GraphModule":
    """Return the traced graph of ``model``; parameters are shared with it, not copied.

    Raises:
        UsageError: the forward pass depends on values and cannot be traced.
    """
    from torch import fx
    from torch.fx.proxy import TraceError

    class Tracer(fx.Tracer):
        def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
            if m.__module__.startswith("fleetfoot.ops."):
                return True
            return super().is_leaf_module(m, module_qualified_name)

    tracer = Tracer()
    try:
        graph = tracer.trace(model)
    except (TraceError, TypeError, RuntimeError) as error:
        raise UsageError(
            f"{type(model).__name__} cannot be traced ({first_line(error)}); move checks on values "
            "or shapes into `__init__` or into a leaf module of fleetfoot.ops"
        ) from error
    return fx.GraphModule(tracer.root, graph, type(model).__name__)
