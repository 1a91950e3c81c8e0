"""Quantise an ONNX file to int8 with real images, as QDQ pairs that both engines read.

Activations are unsigned, from the least to the largest value seen; weights are signed and per
output channel: what VNNI and AMX multiply. On a CPU without either, products of 8 by 8 bits
saturate a 16-bit sum, so weights are held to 7 bits.

Source   papers/deployment.md, "Quantisation route"
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, require
from fleetfoot.deploy.export_onnx import INPUT, quiet
from fleetfoot.measure.device import device_profile

# Layers that multiply. What is between them is left to the engine, which reads through QDQ pairs.
QUANTISED_OPERATORS = ("Conv", "Gemm", "MatMul")


def export_int8(
    onnx_file: Path,
    path: Path,
    *,
    inputs: NDArray[Any],
) -> Path:
    """Write the int8 form of ``onnx_file`` to ``path`` and return it.

    Args:
        onnx_file: float32 graph of batch 1, as `export_onnx` writes it.
        path: file to write.
        inputs: calibration inputs as the graph takes them, images first.

    Raises:
        DataError: there is no calibration image.
        MissingError: onnx or onnxruntime is not installed.
    """
    if len(inputs) == 0:
        raise DataError("int8 needs calibration images, got none")
    quantization = require("onnxruntime.quantization", extra=None)
    with quiet():
        quantization.quantize_static(
            str(onnx_file),
            str(path),
            _Reader(inputs),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED_OPERATORS),
            nodes_to_exclude=_behind_maxima(onnx_file),
            per_channel=True,
            reduce_range=_saturates(),
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
    return path


def _behind_maxima(onnx_file: Path) -> list[str]:
    """Return the layers that read the largest values of a map; they stay float32.

    OpenVINO 2026.4 fuses the rounding of these values into the maximum, and then errs ten times as
    much as the graph says. Such a layer is a classifier, and costs next to nothing.
    """
    graph = require("onnx", extra="train").load(str(onnx_file)).graph
    made_by = {name: node for node in graph.node for name in node.output}

    def is_maximum(name: str) -> bool:
        node = made_by.get(name)
        while node is not None and node.op_type in ("Mul", "Flatten", "Reshape", "Squeeze"):
            node = made_by.get(node.input[0])
        return node is not None and node.op_type in ("ReduceMax", "GlobalMaxPool")

    layers = (node for node in graph.node if node.op_type in QUANTISED_OPERATORS)
    return [node.name for node in layers if is_maximum(node.input[0])]


def _saturates() -> bool:
    """Return whether this machine sums pairs of 8-bit products in 16 bits."""
    present = set(device_profile().instruction_sets)
    return not present & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}


class _Reader:
    """onnxruntime's calibration protocol over an array."""

    def __init__(self, inputs: NDArray[Any]) -> None:
        self._rows: Iterator[dict[str, NDArray[Any]]] = iter(
            [{INPUT: np.ascontiguousarray(row[None])} for row in inputs]
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._rows, None)
