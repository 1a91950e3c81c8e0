"""Keep OpenVINO from moving an activation in front of the maximum that it follows.

what is meant   convolution -> max pool -> activation
what it runs    convolution -> activation -> max pool

Its plugin for processors fuses the activation into the convolution across the pool. That is the
same function for one that rises, such as ReLU, and another for GELU, SiLU, Mish and hard swish,
which fall before they rise. A clamp to all finite numbers in front of the pool stops it; the clamp
itself is fused into the convolution and costs nothing.

Source   measured with OpenVINO 2026.4 (docs/decisions/0026): a network of GELUs behind pools was
         off by half the spread of its logits, in float32
"""

from typing import Any

import numpy as np

from fleetfoot.core.errors import require

CONVOLUTIONS = ("Convolution", "GroupConvolution")
# What may stand between a convolution and a pool and is fused into the convolution: bias and scale.
AFFINE = ("Add", "Subtract", "Multiply", "BatchNormInference")
LARGEST = float(np.finfo(np.float32).max)


def guard_pools(model: Any) -> Any:
    """Return an OpenVINO model, changed in place, whose activations stay behind their pools."""
    clamp = require("openvino", extra=None).opset8.clamp
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MaxPool" and _is_moved_over(node):
            finite = clamp(node.input_value(0), -LARGEST, LARGEST)
            node.input(0).replace_source_output(finite.output(0))
    model.validate_nodes_and_infer_types()
    return model


def _is_moved_over(pool: Any) -> bool:
    source = pool.input_value(0).get_node()
    while source.get_type_name() in AFFINE:
        source = source.input_value(0).get_node()
    readers = [reader.get_node().get_type_name() for reader in pool.output(0).get_target_inputs()]
    return source.get_type_name() in CONVOLUTIONS and readers != ["Relu"]
