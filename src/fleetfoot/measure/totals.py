"""The counts of one call that are reported; needs no torch, `measure.counts` fills them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over one forward pass; None is unknown.

    Attributes:
        params: numbers in all parameters.
        macs: per image; FLOPs are 2 x MACs.
        bytes_moved: of one call, every operator reading its inputs and writing its output once.
        bytes_moved_fused: the same with norms, activations and sums inside their producers.
        elementwise_ops: bias, norm, activation, pooling, sums; per image, none of them in `macs`.
        activations: output elements of convolutions and linear layers, per image.
        peak_live_bytes: most bytes of maps alive at once in the network as published; no weights.
        arena_bytes: of one buffer that all maps are packed into, at least `peak_live_bytes`.
        least_peak_bytes: the smallest peak over all orders of the operators.
    """

    params: int | None = None
    macs: int | None = None
    bytes_moved: int | None = None
    bytes_moved_fused: int | None = None
    elementwise_ops: int | None = None
    activations: int | None = None
    peak_live_bytes: int | None = None
    arena_bytes: int | None = None
    least_peak_bytes: int | None = None
