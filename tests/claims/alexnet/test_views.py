"""Ten views of an image, and averages of answers, against loops over pixels and hand counts."""

import numpy as np
import pytest
import torch

from fleetfoot.claims.alexnet import views as alexnet_views
from fleetfoot.claims.alexnet.views import of_each, of_the_average, ten_views
from fleetfoot.claims.claim import Setting


def test_ten_views_are_corners_centre_and_mirrors() -> None:
    image = np.arange(2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)
    views = ten_views(torch.from_numpy(image), 6)
    corners = [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]
    for number, (top, left) in enumerate(corners):
        for row in range(6):
            for column in range(6):
                expected = image[:, :, top + row, left + column]
                np.testing.assert_array_equal(views[number][:, :, row, column], expected)
                mirrored = views[number + 5][:, :, row, 5 - column]
                np.testing.assert_array_equal(mirrored, expected)


def test_a_flipped_image_has_the_same_views() -> None:
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    own, flipped = ({view.numpy().tobytes() for view in ten_views(x.contiguous(), 6)} for x in
                    (image, image.flip(3)))  # fmt: skip
    assert own == flipped
    assert len(own) == 10


def test_errors_of_views() -> None:
    labels = torch.tensor([0, 1])
    sure, wrong = torch.tensor([0.9, 0.1]), torch.tensor([0.4, 0.6])
    shares = torch.stack(
        [torch.stack([sure if view < 5 else wrong, 1 - sure]) for view in range(10)]
    )
    assert of_the_average(shares, labels) == 0.0
    assert of_each(shares, labels) == pytest.approx(25.0)


def test_ensembles_against_their_members(monkeypatch: pytest.MonkeyPatch) -> None:
    class Images:
        labels = np.array([0, 0, 0])

    judging = {"judges": staticmethod(lambda setting: Images)}
    monkeypatch.setattr(alexnet_views, "NETS", type("Judging", (), judging))
    right, wrong = [4.0, 0.0], [0.0, 1.0]
    members = [
        torch.tensor([right, right, wrong]),
        torch.tensor([right, wrong, right]),
        torch.tensor([wrong, right, right]),
    ]
    together = alexnet_views._fall([members], Setting())
    assert together.value == pytest.approx(100 / 3)
    even = torch.zeros(3, 2) + torch.tensor([0.0, 0.001])
    one = alexnet_views._fall([[members[0], even]], Setting(), trained=1)
    assert one.value == pytest.approx(0.0)
