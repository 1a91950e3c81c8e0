import numpy as np
import pytest

from fleetfoot.core.errors import DataError
from fleetfoot.deploy.form import GraphForm


def test_layouts_hold_the_same_numbers(subject):
    nchw = GraphForm().prepare(subject.crops, subject.preprocess)
    nhwc = GraphForm(layout="nhwc").prepare(subject.crops, subject.preprocess)
    np.testing.assert_array_equal(nhwc.transpose(0, 3, 1, 2), nchw)
    assert nhwc.flags.c_contiguous


def test_preprocessing_inside_takes_the_crops_themselves(subject):
    form = GraphForm(layout="nhwc", preprocess=True)
    assert form.prepare(subject.crops, subject.preprocess).dtype == np.uint8
    assert (form.dtype, form.shape((3, 24, 20))) == ("uint8", (24, 20, 3))


def test_logits_from_probabilities_keep_their_differences():
    logits = np.float32([[1.0, 3.0]])
    probabilities = np.exp(logits) / np.exp(logits).sum()
    found = GraphForm(probabilities=True).logits(probabilities)
    assert found[0, 1] - found[0, 0] == pytest.approx(2.0)
    assert np.isfinite(GraphForm(probabilities=True).logits(np.float32([[0.0, 1.0]]))).all()


def test_forms_that_cannot_be_are_refused():
    with pytest.raises(DataError, match="neither nchw nor nhwc"):
        GraphForm(layout="hwcn")  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="takes nhwc images"):
        GraphForm(preprocess=True)
