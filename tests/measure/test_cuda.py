"""What needs a device runs where there is one; the refusal is tested where there is none."""

import pytest
import torch
from torch import nn

from fleetfoot.core.errors import MissingError
from fleetfoot.measure import cuda

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_the_refusal_is_one_line():
    with pytest.raises(MissingError, match="no CUDA device"):
        cuda.require_cuda()


@needs_cuda
def test_events_time_every_call():
    x = torch.randn(256, 256, device="cuda")
    times = cuda.event_block(lambda: x @ x)(5)
    assert len(times) == 5
    assert min(times) > 0


@needs_cuda
def test_a_replayed_network_answers_as_the_network_does():
    net = nn.Linear(8, 4).cuda()
    with torch.inference_mode():
        run = cuda.replayed(net, torch.zeros(2, 8, device="cuda"))
        x = torch.randn(2, 8, device="cuda")
        torch.testing.assert_close(run(x), net(x))
