"""Run a deployed network: ONNX Runtime, OpenVINO or packed bits, threads pinned down.

Both engines may compute in another precision than the file's: OpenVINO takes bf16 unasked on a CPU
that has it. So the precision is always given, and `Engine.actual_precision` says what it became.
No torch here: a device that only predicts has none.

Letters  N batch, C classes
"""

import importlib.util
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fleetfoot.core.errors import DataError, MissingError, UsageError, require
from fleetfoot.deploy.guard_pools import guard_pools
from fleetfoot.deploy.names import ENGINES, GRAPH_ENGINES, PRECISIONS
from fleetfoot.deploy.packed_engine import PRECISION, PackedEngine

_SUFFIXES = {"onnxruntime": (".onnx",), "openvino": (".onnx", ".xml"), "packed": (".npz",)}


class Engine(Protocol):
    """A compiled graph with one input and one output; safe to call from several threads.

    Attributes:
        engine: name of the engine.
        precision: what was asked for.
        threads: threads it computes with.
        input_shape: with None for an open axis.
        input_dtype: NumPy name of the input's element type.
        outputs: numbers it answers with for one image; None where the graph leaves that open.
        actual_precision: what the engine computes its multiplications in, such as "bfloat16"; a
            graph of several is joined by "+", the most frequent first.
    """

    engine: str
    precision: str
    threads: int
    input_shape: tuple[int | None, ...]
    input_dtype: str
    outputs: int | None

    @property
    def actual_precision(self) -> str: ...

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Return the output (N, C) for a contiguous batch of the input's type."""
        ...


def open_engine(path: Path, *, engine: str, precision: str = "float32", threads: int = 1) -> Engine:
    """Compile the graph in ``path``.

    Args:
        path: ``.onnx`` for both graph engines, ``.xml`` for OpenVINO, ``.npz`` of packed bits.
        engine: one of `ENGINES`.
        precision: one of `PRECISIONS`; int8 is a property of the file, and what it leaves in
            floating point then runs in the cheapest type the device has.
        threads: threads to compute with, at least 1.

    Raises:
        UsageError: unknown engine, precision, or a precision the engine does not have.
        MissingError: the engine is not installed, or the device lacks the precision.
        DataError: the file is missing or damaged.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine {engine!r} is not one of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    if path.suffix not in _SUFFIXES[engine]:
        raise UsageError(f"{path}: {engine} reads {' or '.join(_SUFFIXES[engine])}")
    if not path.is_file():
        raise DataError(f"{path}: the bundle has no such file")
    if engine == "packed":
        return PackedEngine(path, precision=precision)
    if engine == "onnxruntime":
        return OnnxRuntimeEngine(path, precision=precision, threads=threads)
    return OpenVinoEngine(path, precision=precision, threads=threads)


def installed_engines() -> tuple[str, ...]:
    """Return those of `GRAPH_ENGINES` that can be found here, without importing them."""
    return tuple(name for name in GRAPH_ENGINES if is_installed(name))


def is_installed(engine: str) -> bool:
    """Return whether an engine can be found here."""
    return importlib.util.find_spec("numba" if engine == "packed" else engine) is not None


def engine_precisions(engine: str) -> tuple[str, ...]:
    """Return the precisions that ``engine`` computes in on this device."""
    if engine == "packed":
        return (PRECISION,)
    if engine == "onnxruntime":
        return ("float32", "int8")
    capabilities = set(_openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    names = {"FP32": "float32", "BF16": "bfloat16", "FP16": "float16", "INT8": "int8"}
    return tuple(names[word] for word in names if word in capabilities)


class OnnxRuntimeEngine:
    """ONNX Runtime on the CPU: one stream, no thread that spins while it waits."""

    engine = "onnxruntime"

    def __init__(self, path: Path, *, precision: str, threads: int) -> None:
        if precision not in ("float32", "int8"):
            raise UsageError(f"onnxruntime has no {precision} on a CPU; it has float32 and int8")
        self.precision, self.threads = precision, threads
        self._path = path
        self._session = self._open(None)
        graph_input = self._session.get_inputs()[0]
        self._name = graph_input.name
        self.input_shape = tuple(n if isinstance(n, int) else None for n in graph_input.shape)
        outputs = self._session.get_outputs()[0].shape[-1]
        self.outputs = outputs if isinstance(outputs, int) else None
        self.input_dtype = "uint8" if "uint8" in graph_input.type else "float32"

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        return _in_batches(
            lambda x: self._session.run(None, {self._name: x})[0], batch, self.input_shape[0]
        )

    @property
    def actual_precision(self) -> str:
        """Precision after ONNX Runtime's own fusions, read from the graph it optimised."""
        return "float32" if self.precision == "float32" else self._read_precision

    @cached_property
    def _read_precision(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            optimised = Path(folder) / "optimised.onnx"
            self._open(optimised)
            content = optimised.read_bytes()
        fused = (b"QLinearConv", b"QGemm", b"QLinearMatMul", b"MatMulInteger")
        return "int8" if any(name in content for name in fused) else "float32"

    def _open(self, optimised: Path | None) -> Any:
        onnxruntime = require("onnxruntime", extra=None)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if optimised is not None:
            options.optimized_model_filepath = str(optimised)
        try:
            return onnxruntime.InferenceSession(
                str(self._path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no base class
            raise DataError(f"{self._path}: ONNX Runtime cannot read it; it is damaged") from error


class OpenVinoEngine:
    """OpenVINO on the CPU: one stream, latency hint, input handed over without a copy."""

    engine = "openvino"

    def __init__(self, path: Path, *, precision: str, threads: int) -> None:
        core = _openvino_core()
        available = engine_precisions("openvino")
        if precision not in available:
            raise MissingError(
                f"this CPU has no {precision} under OpenVINO; it has {', '.join(available)}"
            )
        self.precision, self.threads = precision, threads
        self._tensor: Any = require("openvino", extra=None).Tensor
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _hint(precision, available),
            "ENABLE_HYPER_THREADING": False,
            "ENABLE_CPU_PINNING": False,  # the caller's affinity mask decides
        }
        try:
            self._compiled = core.compile_model(
                guard_pools(core.read_model(str(path))), "CPU", settings
            )
        except RuntimeError as error:
            raise DataError(f"{path}: OpenVINO cannot read it; it is damaged") from error
        self.input_shape = _static(self._compiled.input(0).partial_shape)
        self.outputs = _static(self._compiled.output(0).partial_shape)[-1]
        kind = self._compiled.input(0).element_type.get_type_name()
        self.input_dtype = "uint8" if kind == "u8" else "float32"
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        return _in_batches(self._run, batch, self.input_shape[0])

    def _run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        if not (batch.flags.writeable and batch.flags.c_contiguous):
            batch = batch.copy()  # only such memory can be shared
        tensor = self._tensor(batch, shared_memory=True)
        with self._lock:
            self._request.set_input_tensor(tensor)
            self._request.infer()
            return self._request.get_output_tensor(0).data.copy()

    @property
    def actual_precision(self) -> str:
        """Precision of convolutions and matrix products in the graph OpenVINO executes."""
        return self._read_precision

    @cached_property
    def _read_precision(self) -> str:
        names = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
        found: Counter[str] = Counter()
        for node in self._compiled.get_runtime_model().get_ops():
            facts = node.get_rt_info()
            if "layerType" not in facts or "runtimePrecision" not in facts:
                continue
            if str(facts["layerType"].astype(str)) in ("Convolution", "FullyConnected", "MatMul"):
                word = str(facts["runtimePrecision"].astype(str))
                found[names.get(word, "int8")] += 1
        return "+".join(word for word, _ in found.most_common()) or self.precision


def _in_batches(
    run: Callable[[NDArray[Any]], NDArray[np.float32]], batch: NDArray[Any], size: int | None
) -> NDArray[np.float32]:
    """Run a batch whole if the graph takes one of its size, else image by image."""
    if size in (None, len(batch)):
        return run(batch)
    return np.concatenate([run(row[None]) for row in batch])


def _static(shape: Any) -> tuple[int | None, ...]:
    return tuple(axis.get_length() if axis.is_static else None for axis in shape)


def _hint(precision: str, available: tuple[str, ...]) -> str:
    if precision == "int8":
        precision = "bfloat16" if "bfloat16" in available else "float32"
    return {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}[precision]


_core_lock = threading.Lock()


def _openvino_core() -> Any:
    """Return the one Core of this process; making one scans the plugins."""
    with _core_lock:
        return _new_core()


@cache
def _new_core() -> Any:
    return require("openvino", extra=None).Core()
