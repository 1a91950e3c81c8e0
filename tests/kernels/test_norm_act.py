"""The sweeps of batch norm and activation against NumPy in float64, in both kinds of numbers."""

import numba
import numpy as np
import pytest
import torch

from fleetfoot.kernels.norm_act import as_float32, finish_gradient, kernels_of, moments
from tests.kernels.exact_activations import EXACT

# One block of 256 positions or several, whole or not; channels that fill no vector.
SHAPES = ((1, 3), (255, 1), (256, 40), (257, 65), (1000, 3))
KINDS = ("float32", "bfloat16")
# Not every pair: each compiles two kernels of its own.
QUICK = ("identity", "relu", "gelu")
CASES = [
    *(
        pytest.param(name, "float32", marks=[] if name in QUICK else pytest.mark.slow)
        for name in EXACT
    ),
    ("gelu", "bfloat16"),
]
ERRORS = dict.fromkeys(EXACT, 1e-5) | {"gelu": 2e-4}  # beyond 4.5 its slope is off by 8e-5


def elements(numbers: np.ndarray, kind: str) -> np.ndarray:
    """Return numbers as a kernel takes them."""
    if kind == "float32":
        return numbers.astype(np.float32)
    return torch.from_numpy(numbers).bfloat16().view(torch.uint16).numpy()


def draws(shape: tuple[int, ...], *, kind: str = "float32", seed: int = 0) -> np.ndarray:
    """Return draws with a variance of 1, none of them far out."""
    return elements(np.random.default_rng(seed).uniform(-(3**0.5), 3**0.5, shape), kind)


def exact(array: np.ndarray) -> np.ndarray:
    return as_float32(array).astype(np.float64)


def close(found: np.ndarray, expected: np.ndarray, *, error: float = 1e-5) -> None:
    """Compare a map with its exact numbers, to which bfloat16 adds half of its last digit."""
    digit = 2.0**-8 if found.dtype == np.uint16 else 0.0
    np.testing.assert_allclose(exact(found), expected, rtol=digit, atol=error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_moments(shape: tuple[int, int], kind: str) -> None:
    x = draws(shape, kind=kind)
    mean, variance = moments(x)
    np.testing.assert_allclose(mean, exact(x).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(variance, exact(x).var(axis=0), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("far", [1000.0, -3e4])
def test_moments_far_from_zero_keep_their_digits(far: float) -> None:
    x = (draws((3000, 5)) + np.float32(far)).astype(np.float32)
    mean, variance = moments(x)
    np.testing.assert_allclose(mean, exact(x).mean(axis=0), rtol=1e-8)
    np.testing.assert_allclose(variance, exact(x).var(axis=0), rtol=1e-5)


def test_a_constant_channel_has_no_variance() -> None:
    mean, variance = moments(np.full((777, 2), 0.1, np.float32))
    np.testing.assert_allclose(mean, np.float32(0.1), rtol=1e-7)
    assert variance.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("activation", "kind"), CASES)
def test_forward(activation: str, kind: str) -> None:
    for shape in SHAPES:
        x, (scale, shift) = draws(shape, kind=kind), 2 * draws((2, shape[1]), seed=1)
        out = np.zeros_like(x)
        kernels_of(activation).forward(x, scale, shift, out)
        expected = EXACT[activation](torch.from_numpy(exact(x) * scale + shift))
        close(out, expected.numpy(), error=ERRORS[activation])


@pytest.mark.parametrize(("activation", "kind"), CASES)
def test_gradient_behind_the_norm_and_its_sums(activation: str, kind: str) -> None:
    for shape in SHAPES:
        x, dy = draws(shape, kind=kind), draws(shape, kind=kind, seed=1)
        scale, shift, mean = 2 * draws((3, shape[1]), seed=2)
        g = np.zeros_like(x)
        sums = kernels_of(activation).gradient(x, dy, scale, shift, mean, g).sum(axis=0)
        y = torch.from_numpy(exact(x) * scale + shift).requires_grad_()
        EXACT[activation](y).backward(torch.from_numpy(exact(dy)))
        assert y.grad is not None
        close(g, y.grad.numpy(), error=ERRORS[activation])
        both = np.stack([np.ones(shape), exact(x) - mean])
        rounding = ERRORS[activation] * abs(exact(dy) * both).sum(axis=1)
        assert (abs(sums - (y.grad.numpy() * both).sum(axis=1)) < rounding + 1e-5).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_in_front_of_the_norm(kind: str) -> None:
    for shape in SHAPES:
        x, g = draws(shape, kind=kind), draws(shape, kind=kind, seed=1)
        scale, a, b = draws((3, shape[1]), seed=2)
        expected = exact(g) * scale + exact(x) * a + b
        finish_gradient(x, scale, a, b, g)
        close(g, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_threads_make_no_difference(kind: str) -> None:
    x, dy = draws((2000, 40), kind=kind), draws((2000, 40), kind=kind, seed=1)
    vectors = draws((3, 40), seed=2)
    kernels = kernels_of("gelu")
    results = []
    for threads in (1, 2):
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        out, g = np.zeros_like(x), np.zeros_like(x)
        kernels.forward(x, vectors[0], vectors[1], out)
        sums = kernels.gradient(x, dy, *vectors, g)
        behind = g.copy()
        finish_gradient(x, *vectors, g)
        results.append([*moments(x), out, sums, behind, g])
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("activation", "kind"), CASES)
def test_nan_reaches_the_output(activation: str, kind: str) -> None:
    numbers = np.ones((300, 3))
    numbers[270, 1] = np.nan
    x = elements(numbers, kind)
    out, ones = np.zeros_like(x), np.ones(3, np.float32)
    kernels_of(activation).forward(x, ones, ones, out)
    np.testing.assert_array_equal(np.isnan(exact(out)), np.isnan(numbers))
    for vector in moments(x):
        assert np.isnan(vector).tolist() == [False, True, False]


@pytest.mark.parametrize("activation", QUICK)
def test_nan_comes_back(activation: str) -> None:
    x, dy, ones = np.ones((300, 3), np.float32), np.ones((300, 3), np.float32), np.ones(3, "f4")
    dy[270, 1] = np.nan
    g = np.zeros_like(x)
    sums = kernels_of(activation).gradient(x, dy, ones, ones, ones, g).sum(axis=0)
    np.testing.assert_array_equal(np.isnan(g), np.isnan(dy))
    assert np.isnan(sums).tolist() == 2 * [[False, True, False]]
    finish_gradient(x, ones, ones, ones, g)
    np.testing.assert_array_equal(np.isnan(g), np.isnan(dy))
