from fleetfoot.report.curves import curves


def test_thinning_keeps_means_and_the_last_step() -> None:
    metrics = [{"kind": "step", "step": i, "epoch": 0, "loss": float(i)} for i in range(1, 1001)]
    steps = curves(metrics, points=10)["steps"]
    assert len(steps) == 10
    assert steps[-1]["step"] == 1000
    assert steps[0]["loss"] == sum(range(1, 101)) / 100
    assert steps[0]["lr"] is None


def test_short_runs_are_whole_and_epochs_apart() -> None:
    metrics = [
        {"kind": "step", "step": 1, "loss": 2.0},
        {"kind": "epoch", "epoch": 0, "step": 1, "val_top1": 0.5, "val_top1_ema": None},
        {"kind": "something new"},
    ]
    found = curves(metrics)
    assert [line["loss"] for line in found["steps"]] == [2.0]
    assert found["epochs"][0]["val_top1"] == 0.5
    assert found["epochs"][0]["val_top1_ema"] is None


def test_nothing_trained() -> None:
    assert curves([]) == {"steps": [], "epochs": []}
