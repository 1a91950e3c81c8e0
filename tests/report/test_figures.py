import pytest

from fleetfoot.report.figures import THIN, kind_of, shown


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.98334, "percent", "98.3 %"),
        (0.00012613, "ms", "0.00013 ms"),
        (0.0099, "ms", "0.0099 ms"),
        (0.0214, "ms", "0.021 ms"),
        (1.694, "ms", "1.69 ms"),
        (23.46, "ms", "23.5 ms"),
        (1234.5, "ms", "1,234 ms"),
        (0.25, "seconds", "0.250 s"),
        (8.0, "seconds", "8.0 s"),
        (119.4, "seconds", "1 min 59 s"),
        (3725, "seconds", "1 h 2 min"),
        (512, "bytes", "512 B"),
        (2097152, "bytes", "2.0 MiB"),
        (5 * 2**40, "bytes", "5120.0 GiB"),
        (3504872, "si", "3.50 M"),
        (335_000_000_000, "si", "335.00 G"),
        (12, "si", "12"),
        (9999, "count", "9999"),
        (50000, "count", "50,000"),
        (0.001, "number", "0.001"),
        (2.0, "number", "2"),
        (5.34, "times", "5.3\u00d7"),
        (True, "yes-no", "yes"),
        (False, "met", "\u2717 missed"),
        (None, "ms", "unknown"),
        (float("nan"), "ms", "unknown"),
        ([1, 2.5], "text", "1, 2.5"),
        ([], "text", "none"),
        ({"step_ms": 3.0, "threads": 2}, "text", "step 3.00 ms, threads 2"),
        ("as it is", "ms", "as it is"),
    ],
)
def test_shown(value: object, kind: str, text: str) -> None:
    assert shown(value, kind).replace(THIN, " ") == text


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("deployed_top1", 0.9, "percent"),
        ("val_top1_ema", 0.9, "percent"),
        ("wait_fraction", 0.1, "percent"),
        ("latency_ms_iqr", 0.1, "ms"),
        ("memory_bytes", 12, "bytes"),
        ("train_seconds", 12.0, "seconds"),
        ("params", 12, "count"),
        ("lr", 0.1, "number"),
        ("dirty", False, "yes-no"),
        ("net", "fleetnet", "text"),
    ],
)
def test_the_unit_is_in_the_name(name: str, value: object, kind: str) -> None:
    assert kind_of(name, value) == kind
