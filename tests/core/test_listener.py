import pytest

from fleetfoot.core.listener import Listener, Silent


def test_silence_takes_every_word(capfd: pytest.CaptureFixture[str]) -> None:
    listener: Listener = Silent()
    listener.stage("training")
    listener.update(step=1, loss=0.5)
    listener.message("a remark")
    listener.close()
    assert capfd.readouterr() == ("", "")
