"""The battery over every registered network."""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fleetfoot.core.costs import Cost, formula_for
from fleetfoot.core.errors import ShapeError
from fleetfoot.measure.counts import Counts, count
from fleetfoot.nets.catalog import entries, entry, option_names
from fleetfoot.nets.create import create, skeleton
from fleetfoot.nets.names import foreign_names
from fleetfoot.ops import torch_layers  # noqa: F401  registers the formulas of torch.nn
from fleetfoot.ops.binary_conv import has_binary_layers
from tests.contracts.subjects import GOLDEN, pixels_for, randomise

ROOT = Path(__file__).resolve().parent.parent.parent


def images(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


@cache
def counted(name: str) -> tuple[Counts, int]:
    """One walk for all tests: our counts, and the FLOPs that torch's counter sees meanwhile."""
    with FlopCounterMode(display=False) as theirs:
        counts = count(skeleton(name), entry(name).input)
    return counts, theirs.get_total_flops()


def test_params_and_macs_are_those_of_the_registry(net_name: str) -> None:
    known = entry(net_name)
    counts, _ = counted(net_name)
    assert (counts.params, counts.macs) == (known.params, known.macs)
    assert counts.uncounted == ()


def test_macs_are_half_of_what_torch_counts(net_name: str) -> None:
    """Torch's counter knows convolutions and matrix products: what we call MACs, times 2."""
    counts, flops = counted(net_name)
    assert 2 * counts.macs == flops


def test_bytes_and_memory_are_in_order(net_name: str) -> None:
    counts, _ = counted(net_name)
    assert counts.bytes_moved_fused < counts.bytes_moved
    assert counts.peak_live_bytes == max(counts.live_bytes)
    sizes, steps = counts.memory.sizes, counts.memory.steps
    widest = max(sum(sizes[n] for n in {*step.reads, *step.writes}) for step in steps)
    assert counts.least_peak_bytes is not None  # no network has too many orders
    assert widest <= counts.least_peak_bytes <= counts.peak_live_bytes <= counts.arena_bytes
    assert counts.peak_live_bytes <= counts.held_bytes


def test_formulas_of_the_modules_give_the_same_counts(net_name: str) -> None:
    net, shape = skeleton(net_name), entry(net_name).input
    counts, _ = counted(net_name)
    by_formula = _by_formula(net, shape)
    assert sum((cost.macs for cost in by_formula.values()), start=0) == counts.macs
    by_operators = _by_operators(counts)
    for path, cost in by_formula.items():
        assert by_operators.get(path, Cost()) == cost, path


def _by_formula(net: nn.Module, shape: tuple[int, ...]) -> dict[str, Cost]:
    found: dict[str, Cost] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], path: str) -> None:
        formula = formula_for(module)
        assert formula is not None, f"{path}: {type(module).__name__} has no cost formula"
        found[path] = found.get(path, Cost()) + formula(module, *(tuple(t.shape) for t in inputs))

    for path, module in net.named_modules():
        if not any(module.children()):
            module.register_forward_hook(lambda m, inputs, _, path=path: note(m, inputs, path))
    net.eval()(images(1, *shape))
    return found


def _by_operators(counts: Counts) -> dict[str, Cost]:
    found: dict[str, Cost] = {}
    for record in counts.records:
        cost = Cost(record.macs, record.elementwise_ops)
        found[record.path] = found.get(record.path, Cost()) + cost
    return found


def test_an_odd_input_size(net_name: str) -> None:
    _takes_odd_sizes(net_name, (33, 7))


def test_almost_the_smallest_input_size(light_net: str) -> None:
    _takes_odd_sizes(light_net, (1, 3))


def test_the_smallest_input_size(exported_net: str) -> None:
    _takes_odd_sizes(exported_net, (0, 0))


def _takes_odd_sizes(name: str, more: tuple[int, int]) -> None:
    net = skeleton(name, num_classes=7).eval()
    if getattr(net, "only_size", None):
        return _refuses_other_sizes(net, entry(name).input[0])
    height, width = (net.min_size + extra for extra in more)
    x = images(2, entry(name).input[0], height, width)
    assert net(x).shape == (2, 7)
    maps = net.forward_features(x)
    assert len(maps) == len(net.feature_info)
    for item, found in zip(net.feature_info, maps):
        assert found.shape[1] == item.channels
        if not getattr(net, "exact_reduction", True):
            continue
        for size, pixels in zip(found.shape[2:], (height, width)):
            assert pixels // item.reduction <= size <= -(-pixels // item.reduction)
    return None


def _refuses_other_sizes(net: nn.Module, channels: int) -> None:
    size = net.only_size
    assert net(images(2, channels, size, size)).shape == (2, 7)
    with pytest.raises(ShapeError, match=str(size)):
        net(images(2, channels, size + 1, size))


def test_protocol(light_net: str) -> None:
    _keeps_the_protocol(light_net, channels=1)


def test_protocol_of_more_channels(exported_net: str) -> None:
    _keeps_the_protocol(exported_net, channels=4)


def _keeps_the_protocol(name: str, *, channels: int) -> None:
    known = entry(name)
    net = skeleton(name, in_chans=channels, num_classes=0).eval()
    size = pixels_for(net, 64)
    x = images(2, channels, size, size)
    pooled = net(x)
    assert pooled.shape == net.forward_pooled(x).shape
    assert isinstance(net.classifier, nn.Identity)
    classifier = skeleton(name).classifier
    # A convolution classifies each position; a binary layer has a norm behind it.
    assert isinstance(classifier, (nn.Linear, nn.Conv2d, nn.Sequential))
    weight = next(classifier.parameters())
    assert tuple(weight.shape[:2]) == (known.classes, pooled.shape[1])
    pyramid = skeleton(name, in_chans=channels, features_only=True).eval()
    assert [tuple(m.shape) for m in pyramid(x)] == [tuple(m.shape) for m in net.forward_features(x)]
    assert pyramid.feature_info == net.feature_info


def test_forward_is_classifier_of_pooled_features(light_net: str) -> None:
    net = randomise(create(light_net, num_classes=3))
    size = pixels_for(net, 33)
    x = torch.randn(2, entry(light_net).input[0], size, size)
    with torch.no_grad():
        logits = net(x)
        if isinstance(net.classifier, nn.Linear):
            assert torch.equal(logits, net.classifier(net.forward_pooled(x)))


def test_layout_and_bfloat16_change_little(light_net: str) -> None:
    """Channels last within rounding of float32; bfloat16 within a tenth of the logits' range."""
    torch.manual_seed(0)
    net = randomise(create(light_net))
    size = pixels_for(net, 33)
    x = torch.randn(2, entry(light_net).input[0], size, size)
    with torch.no_grad():
        logits = net(x)
        nhwc = net(x.contiguous(memory_format=torch.channels_last))
        with torch.autocast("cpu", torch.bfloat16):
            low = net(x).float()
    largest = logits.abs().max()
    assert (nhwc - logits).abs().max() <= 1e-4 * largest
    if not has_binary_layers(net):  # where rounding turns a sign, as much changes as by noise
        assert (low - logits).abs().max() <= 0.1 * largest


def test_same_seed_same_weights(light_net: str) -> None:
    states = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        states.append(create(light_net, num_classes=2).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_gradient_reaches_every_parameter(light_net: str) -> None:
    torch.manual_seed(0)
    off = {word: 0.0 for word in ("drop_path", "dropout") if word in options_of(light_net)}
    net = create(light_net, num_classes=5, **off)
    size = pixels_for(net, 32)
    net(torch.randn(4, entry(light_net).input[0], size, size)).square().sum().backward()
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def options_of(name: str) -> tuple[str, ...]:
    return option_names(entry(name).builder)


def test_drop_path_and_dropout_are_builder_options(net_name: str) -> None:
    assert "dropout" in options_of(net_name)
    dropouts = [m for m in skeleton(net_name, dropout=0.4).modules() if isinstance(m, nn.Dropout)]
    assert any(module.p == 0.4 for module in dropouts)
    if "drop_path" not in options_of(net_name):
        return
    rates = [m.rate for m in skeleton(net_name, drop_path=0.3).modules() if hasattr(m, "rate")]
    if len(rates) > 1:  # a family may have members without a residual block
        assert 0.2 <= max(rates) <= 0.3


def test_state_dict_keys_are_golden(net_name: str) -> None:
    """`FLEETFOOT_ACCEPT=1 pytest tests/contracts/test_nets.py -k golden` accepts a change."""
    keys = [f"{key} {tuple(value.shape)}" for key, value in skeleton(net_name).state_dict().items()]
    facts = {
        "patterns": dict(sorted(Counter(re.sub(r"\d+", "*", k.split()[0]) for k in keys).items())),
        "sha256": hashlib.sha256("\n".join(keys).encode()).hexdigest(),
    }
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("FLEETFOOT_ACCEPT"):
        golden[net_name] = facts
        GOLDEN.write_text(json.dumps(dict(sorted(golden.items())), indent=1) + "\n")
    accept = f"new or changed keys: FLEETFOOT_ACCEPT=1 pytest {__file__} -k 'golden and {net_name}'"
    assert golden.get(net_name) == facts, accept


def test_there_are_enough_networks_and_enough_are_checked_elsewhere() -> None:
    kinds = Counter(item.checked_against.partition(":")[0] for item in entries())
    assert kinds.total() >= 70
    assert kinds["timm"] + kinds["torchvision"] >= 45


def test_the_reference_of_the_registry_agrees(checked_net: str) -> None:
    kind, _, what = entry(checked_net).checked_against.partition(":")
    REFERENCES[kind](checked_net, what)


def _equals_timm(name: str, theirs: str) -> None:
    timm = pytest.importorskip("timm")
    _equals_library(name, timm.create_model(theirs), "timm")


def _equals_torchvision(name: str, theirs: str) -> None:
    models = pytest.importorskip("torchvision.models")
    _equals_library(name, models.get_model(theirs, weights=None), "torchvision")


def _equals_library(name: str, reference: nn.Module, dialect: str) -> None:
    torch.manual_seed(0)
    randomise(reference)
    net = skeleton(name)
    names = foreign_names(net.state_dict(), entry(name).family, dialect)
    state = reference.state_dict()
    assert set(names.values()) == set(state)
    net.load_state_dict({ours: state[theirs] for ours, theirs in names.items()}, assign=True)
    size = pixels_for(net, 33)
    x = torch.randn(2, entry(name).input[0], size, size)
    with torch.no_grad():
        expected, got = reference(x), net.eval()(x)
    assert expected.std() > 0.01
    assert (got - expected).abs().max() / expected.abs().max() <= 1e-4


def _equals_naive(name: str, test_id: str) -> None:
    file, _, function = test_id.partition("::")
    spec = importlib.util.spec_from_file_location("naive_reference", ROOT / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    getattr(module, function)(name)


REFERENCES: dict[str, Callable[[str, str], None]] = {
    "timm": _equals_timm,
    "torchvision": _equals_torchvision,
    "naive": _equals_naive,
}


def test_five_rooms_need_no_torchvision() -> None:
    code = (
        "import sys; sys.modules['torchvision'] = None\n"
        "import importlib, pkgutil\n"
        "for room in ('ops', 'measure', 'nets', 'passes', 'deploy'):\n"
        "    package = importlib.import_module(f'fleetfoot.{room}')\n"
        "    for found in pkgutil.iter_modules(package.__path__, f'{package.__name__}.'):\n"
        "        importlib.import_module(found.name)\n"
        "from fleetfoot.nets.create import create\n"
        "create('fleetnet_small', width=0.25)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
