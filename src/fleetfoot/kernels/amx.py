"""The matrix tiles of x86 processors (AMX) for Numba: products of bfloat16 with sums in float32.

A tile has up to 16 rows of 64 bytes. ``dot(c, a, b)`` adds to the 16 x 16 floats of tile c the
product of tile a, 16 x 32 numbers, with tile b, 32 x 16 numbers that come in pairs of rows: row k
of it holds b[2k, 0], b[2k + 1, 0], b[2k, 1], ... Sums differ from float32 arithmetic only in their
order; subnormal numbers count as zero.

Source   Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18
"""

import ctypes
import functools
import platform
import sys
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types

from fleetfoot.kernels.elements import INT16, INT32, config, intrinsic

ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA = 158, 0x1023, 18
INT8 = ir.IntType(8)
BYTES, WORDS = INT8.as_pointer(), ir.VectorType(INT32, 16)
ROWS, ROW_BYTES, TILES = 16, 64, 8


@functools.cache
def has_tiles() -> bool:
    """Return whether this process may use tiles; asks Linux for them, once."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    if config.CPU_NAME or config.CPU_FEATURES:  # compiling for another processor than this one
        return False
    features = binding.get_host_cpu_features()
    if not (features.get("amx-tile") and features.get("amx-bf16")):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0


def whole_tiles() -> np.ndarray:
    """Return what `configure` reads for eight tiles of full size, uint8 (64,)."""
    layout = np.zeros(64, np.uint8)
    layout[0] = 1  # the palette
    layout[16 : 16 + 2 * TILES : 2] = ROW_BYTES
    layout[48 : 48 + TILES] = ROWS
    return layout


def _instruction(name: str, tiles: tuple[int, ...], operands: int) -> Any:
    """Return an instruction on fixed tiles; operands are an address and a stride in bytes."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        values: list[Any] = [ir.Constant(INT8, tile) for tile in tiles]
        if operands:
            values += [builder.inttoptr(args[0], BYTES), *args[1:]]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, values)
        return context.get_dummy_value()

    if operands == 2:

        @intrinsic
        def instruction(typing: Any, address: Any, stride: Any) -> Any:
            return types.void(types.uint64, types.int64), generate

    elif operands == 1:

        @intrinsic
        def instruction(typing: Any, address: Any) -> Any:
            return types.void(types.uint64), generate

    else:

        @intrinsic
        def instruction(typing: Any) -> Any:
            return types.void(), generate

    return instruction


def _load_pairs(builder: ir.IRBuilder, row: Any, next_row: Any) -> Any:
    """Return 16 numbers of each of two rows in turn, as 16 numbers of 32 bits."""
    halves = ir.VectorType(INT16, 16)
    both: list[Any] = [
        builder.load(builder.inttoptr(address, halves.as_pointer()), align=2)
        for address in (row, next_row)
    ]
    order = [place for n in range(16) for place in (n, 16 + n)]
    mixed = builder.shuffle_vector(both[0], both[1], _constants(order))
    return builder.bitcast(mixed, WORDS)


def _constants(values: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(INT32, len(values)), values)


def _store(builder: ir.IRBuilder, words: Any, address: Any) -> None:
    builder.store(words, builder.inttoptr(address, WORDS.as_pointer()), align=4)


@intrinsic
def pack_pairs(typing: Any, target: Any, row: Any, next_row: Any) -> Any:
    """Write one row of a right-hand tile: 16 channels of two positions (addresses)."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        _store(builder, _load_pairs(builder, args[1], args[2]), args[0])
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64, types.uint64), generate


@intrinsic
def pack_turned(typing: Any, target: Any, source: Any, stride: Any) -> Any:
    """Write a left-hand tile: 16 channels as rows, from 32 positions ``stride`` bytes apart."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        target, source, stride = args
        addresses = [source]
        for _ in range(31):
            addresses.append(builder.add(addresses[-1], stride))
        words = [_load_pairs(builder, *addresses[2 * k : 2 * k + 2]) for k in range(16)]
        for row, turned in enumerate(_transposed(builder, words)):
            address = builder.add(target, ir.Constant(ir.IntType(64), row * ROW_BYTES))
            _store(builder, turned, address)
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64, types.int64), generate


def _transposed(builder: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """Return the transpose of 16 vectors of 16: blocks of 8, 4, 2 and 1 change places in turn."""
    for size in (8, 4, 2, 1):
        upper = _constants([n if not n & size else 16 + n - size for n in range(16)])
        lower = _constants([n + size if not n & size else 16 + n for n in range(16)])
        turned = list(rows)
        for first in range(16):
            if not first & size:
                pair = rows[first], rows[first + size]
                turned[first] = builder.shuffle_vector(*pair, upper)
                turned[first + size] = builder.shuffle_vector(*pair, lower)
        rows = turned
    return rows


configure = _instruction("llvm.x86.ldtilecfg", (), 1)
release = _instruction("llvm.x86.tilerelease", (), 0)
zero0, zero1, zero2, zero3 = (_instruction("llvm.x86.tilezero", (t,), 0) for t in range(4))
load0, load1, load2, load3, load4, load5, load6, load7 = (
    _instruction("llvm.x86.tileloadd64", (t,), 2) for t in range(8)
)
store0, store1, store2, store3 = (_instruction("llvm.x86.tilestored64", (t,), 2) for t in range(4))
dot046, dot147, dot256, dot357 = (
    _instruction("llvm.x86.tdpbf16ps", tiles, 0)
    for tiles in ((0, 4, 6), (1, 4, 7), (2, 5, 6), (3, 5, 7))
)
