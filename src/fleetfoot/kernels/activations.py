"""Activations and their derivatives as functions of one float32, for kernels to inline.

Only what vector units have: no table, no call, no branch. Within 4e-6 of the exact value, far below
the rounding of bfloat16; GELU within 2e-5 and its slope within 1.2e-5 from -4.5 to 4.5, and within
1e-5 times the input and 1e-4 beyond.
"""

# What Numba compiles is typed by what it is given.
# pyright: reportMissingParameterType=false

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from fleetfoot.kernels.elements import FASTMATH, power_of_two

F32 = np.float32
# Not `njit`: its objects have another identity in every process, and kernels made of them could
# not be kept on disk.
inlined = register_jitable(inline="always", fastmath=FASTMATH)


class Activation(NamedTuple):
    """A function and its derivative, both for jitted callers, from float32 to float32."""

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]


@inlined
def _identity(x):
    return x


@inlined
def _one(x):
    return F32(1)


@inlined
def _relu(x):
    return F32(0) if x < F32(0) else x  # this way round NaN stays


@inlined
def _relu_slope(x):
    return F32(1) if x > F32(0) else F32(0)


@inlined
def _relu6(x):
    return F32(6) if x > F32(6) else _relu(x)


@inlined
def _relu6_slope(x):
    return F32(1) if (x > F32(0)) and (x < F32(6)) else F32(0)


@inlined
def _hardswish(x):
    return x * min(max(x + F32(3), F32(0)), F32(6)) * F32(1 / 6)


@inlined
def _hardswish_slope(x):
    inside = x * F32(1 / 3) + F32(0.5)
    return F32(0) if x <= F32(-3) else (F32(1) if x >= F32(3) else inside)


# GELU is x P(X <= x). Both that probability and the slope of GELU are 1/2 plus an odd function:
# x times a polynomial in x squared, which is fitted to it on -4.5 to 4.5 so that its largest error
# is smallest, and held constant beyond. Its variable is mapped to -1 to 1 to keep rounding small.
# `tests/kernels/test_activations.py` fits them again.
GELU_EDGE = 4.5
PROBABILITY = (
    F32(-0.0019305337),
    F32(0.0049627074),
    F32(-0.0060701901),
    F32(0.0096532153),
    F32(-0.018483978),
    F32(0.028857656),
    F32(-0.040236976),
    F32(0.054637488),
    F32(-0.077185884),
    F32(0.15690604),
)
SLOPE = (
    F32(0.011935275),
    F32(-0.029362848),
    F32(0.028460227),
    F32(-0.036211394),
    F32(0.069761746),
    F32(-0.093837328),
    F32(0.097899526),
    F32(-0.093922019),
    F32(0.086987406),
    F32(-0.090013199),
    F32(0.15943155),
)


@inlined
def _polynomial(coefficients, u):
    """Return the value at u; the highest power comes first."""
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * u + coefficient
    return value


@inlined
def _half_plus_odd(coefficients, x):
    """Return 1/2 plus the odd function whose polynomial it is."""
    inner = min(max(x, F32(-GELU_EDGE)), F32(GELU_EDGE))
    u = inner * inner * F32(2 / GELU_EDGE**2) - F32(1)
    return F32(0.5) + inner * _polynomial(coefficients, u)


@inlined
def _gelu(x):
    return x * _half_plus_odd(PROBABILITY, x)


@inlined
def _gelu_slope(x):
    return _half_plus_odd(SLOPE, x)


# 2**x from -1/2 to 1/2.
POWER = (
    F32(1.3333558e-3),
    F32(9.618129e-3),
    F32(5.550411e-2),
    F32(0.24022651),
    F32(0.6931472),
    F32(1),
)


@inlined
def _sigmoid(x):
    """1 / (1 + 2**y), with 2**y from a whole power and a polynomial for the rest."""
    y = min(max(x * F32(-1.4426950408889634), F32(-126)), F32(126))
    whole = np.floor(y + F32(0.5))
    power = _polynomial(POWER, y - whole) * power_of_two(whole)
    return F32(1) / (F32(1) + power)


@inlined
def _silu(x):
    return x * _sigmoid(x)


@inlined
def _silu_slope(x):
    s = _sigmoid(x)
    return s * (F32(1) + x * (F32(1) - s))


ACTIVATIONS = {
    "identity": Activation(_identity, _one),
    "relu": Activation(_relu, _relu_slope),
    "relu6": Activation(_relu6, _relu6_slope),
    "hardswish": Activation(_hardswish, _hardswish_slope),
    "gelu": Activation(_gelu, _gelu_slope),
    "silu": Activation(_silu, _silu_slope),
}
