"""What the kernels need of Numba: bfloat16 as a type of numbers, full vectors, a cache that fits.

NumPy has no bfloat16, so arrays of it come as uint16: the upper halves of float32. The functions
here are typed by what they are given, and one kernel serves arrays of either kind.
"""

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic as numba_intrinsic

from fleetfoot.core.cache_folder import cache_folder

intrinsic: Any = numba_intrinsic  # gives what it decorates another signature
config: Any = numba.config

# OpenMP first: torch computes with it too, and one pool of threads serves both. Threads of a second
# pool would compete with torch's, which go on spinning for a while after their work.
if "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
    config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]

FLOAT32, INT32, INT16 = ir.FloatType(), ir.IntType(32), ir.IntType(16)
QUIET_NAN = 0x7FC0

# Sums may be reordered, products and sums contracted; NaN and infinity keep their meaning, since a
# loss that is not finite has to be noticed.
FASTMATH = {"contract", "reassoc", "arcp", "nsz", "afn"}


def compiled(*, parallel: bool = False, fastmath: bool = False) -> Callable[[Any], Any]:
    """Return the decorator that compiles a kernel, once on a machine.

    Numba keeps what it compiled until the file of the function changes. Kernels inline functions
    of other files, so that theirs lies in a folder of its own for each state of all of them.
    """

    def decorate(function: Any) -> Any:
        before, config.CACHE_DIR = config.CACHE_DIR, str(_cache_folder())
        try:
            words: Any = {"fastmath": FASTMATH} if fastmath else {}
            return numba.njit(parallel=parallel, cache=True, **words)(function)
        finally:
            config.CACHE_DIR = before

    return decorate


def _cache_folder() -> Path:
    return cache_folder() / "kernels" / _digest()


@functools.cache
def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def _bits(value: int) -> ir.Constant:
    return ir.Constant(INT32, value)


@intrinsic
def to_float32(typing: Any, number: Any) -> Any:
    """Return an element, bfloat16 (as uint16) or float32, as float32."""

    def widen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if number == types.float32:
            return args[0]
        return builder.bitcast(builder.shl(builder.zext(args[0], INT32), _bits(16)), FLOAT32)

    return types.float32(number), widen


@intrinsic
def rounded(typing: Any, value: Any, like: Any) -> Any:
    """Return a float32 as an element of the kind of ``like``, rounded to nearest, ties to even."""

    def narrow(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if like == types.float32:
            return args[0]
        bits = builder.bitcast(args[0], INT32)
        odd = builder.and_(builder.lshr(bits, _bits(16)), _bits(1))
        upper = builder.lshr(builder.add(bits, builder.add(odd, _bits(0x7FFF))), _bits(16))
        is_nan = builder.fcmp_unordered("uno", args[0], args[0])
        return builder.trunc(builder.select(is_nan, _bits(QUIET_NAN), upper), INT16)

    return like(value, like), narrow


@intrinsic
def power_of_two(typing: Any, exponent: Any) -> Any:
    """Return 2**exponent of a float32 that holds a whole number from -126 to 127."""

    def shift(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        biased = builder.add(builder.fptosi(args[0], INT32), _bits(127))
        return builder.bitcast(builder.shl(biased, _bits(23)), FLOAT32)

    return types.float32(exponent), shift


@intrinsic
def wide_vectors(typing: Any) -> Any:
    """Let the compiler use vectors of 512 bits in the function around.

    On its own it prefers 256, for the clock of the first processors that had more; on later ones
    these kernels take 1.5 times as long that way.
    """

    def mark(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        # llvmlite's own `add` knows only attributes without a value.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), mark
