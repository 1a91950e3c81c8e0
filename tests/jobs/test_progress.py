import io
import sys

import pytest

from fleetfoot.core.listener import Silent
from fleetfoot.jobs import progress


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_come_every_ten_seconds_and_at_each_epoch():
    stream, clock = io.StringIO(), Clock()
    listener = progress.Plain(stream, clock=clock)
    listener.stage("training")
    for step in range(1, 101):
        clock.now += 0.5
        listener.update(step=step, total_steps=200, epoch=1, loss=1.0, images_per_second=1234.5)
    listener.update(epoch=1, val_top1=0.75)
    listener.message("saved")
    listener.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "training"
    assert lines[-1] == "saved"
    assert "validation 75.0 %" in lines[-2]
    middle = lines[1:-2]
    assert len(middle) == 5  # 50 seconds, one line every ten
    assert "step 20/200" in middle[0]
    assert "1,234 images/s" in middle[0]
    assert "1:30 left" in middle[0]  # 180 steps of half a second


def test_time_left_counts_from_the_first_step_seen_so_that_a_resumed_run_is_right():
    stream, clock = io.StringIO(), Clock()
    listener = progress.Plain(stream, clock=clock)
    for step in range(101, 122):
        clock.now += 0.5
        listener.update(step=step, total_steps=200)
    assert "step 120/200  0:40 left" in stream.getvalue()


def test_unknown_fields_are_ignored_and_missing_ones_left_out():
    assert progress.status({"lr": 0.1, "nonsense": object()}, None) == ""
    assert progress.status({"done": 3, "total": 9}, None) == "3/9"
    assert progress.status({"accuracy": 0.5, "loss": None}, None) == "accuracy 50.0 %"
    assert progress.seconds_left({"step": 3}, 1.0) is None
    assert progress.seconds_left({"step": 3, "total_steps": 5}, 0.0) is None


def test_a_reader_that_left_does_not_stop_the_work():
    stream = io.StringIO()
    stream.close()
    progress.Plain(stream).message("nobody listens")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress.listener_for(io.StringIO()), progress.Plain)
    assert isinstance(progress.listener_for(Terminal(), quiet=True), Silent)
    bars = progress.listener_for(Terminal())
    assert isinstance(bars, progress.Bars)
    bars.close()
    monkeypatch.setenv("CI", "true")
    assert isinstance(progress.listener_for(Terminal()), progress.Plain)
    monkeypatch.delenv("CI")
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress.listener_for(Terminal()), progress.Plain)


def test_bars_show_stage_numbers_and_messages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    bars = progress.Bars(stream)
    bars.update(done=1, total=2)  # before any stage
    bars.stage("training: 10 epochs")
    bars.update(step=1, total_steps=4, loss=0.25)
    bars.update(epoch=1, val_top1=0.5)
    bars.message("[kept as it is]")
    bars.stage("deploying")
    bars.close()
    text = stream.getvalue()
    for part in ("training: 10 epochs", "loss 0.250", "validation 50.0 %", "[kept as it is]"):
        assert part in text
    assert sys.stdout is not stream


def test_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    bars = progress.Bars(stream)
    bars.stage("training")
    bars.update(step=1, total_steps=4)
    bars.close()
    assert "\x1b[3" not in stream.getvalue()  # no colour code; cursor codes are allowed


def test_the_silent_listener_takes_everything():
    listener = Silent()
    listener.stage("a")
    listener.update(step=1)
    listener.message("b")
    listener.close()
