import json
from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.data.preprocess import Preprocess
from fleetfoot.jobs.known import Known


def contract(words: str) -> Preprocess:
    known = Known(preprocess=words).contract
    assert known is not None
    return Preprocess.from_json(known)


def test_nothing_is_said_unless_given():
    assert (Known().contract, Known().names) == (None, None)
    Known().check("auto")


def test_words_of_preprocessing():
    grey = contract("size=16, channels=1, mean=0.5, std=0.25, interpolation=bilinear, crop=0.9")
    assert grey == Preprocess(16, 0.9, "bilinear", (127.5,), (63.75,), 1)
    rgb = contract("size=32,mean=0.4/0.5/0.6,std=1")
    assert rgb == Preprocess(32, 1.0, "bicubic", (102.0, 127.5, 153.0), (255.0,) * 3)
    assert contract("size=32,mean=127.5,std=60").std == (60.0,) * 3  # of 255, as in the files


def test_a_file_of_preprocessing(tmp_path: Path):
    wanted = Preprocess(24, 0.875, "bicubic", (1.0,), (2.0,), 1)
    file = tmp_path / "preprocess.json"
    file.write_text(json.dumps(wanted.to_json()))
    assert contract(str(file)) == contract(str(tmp_path)) == wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("size=16", "lacks mean and std"),
        ("mean=0.5,std=1", "lacks size"),
        ("size=16,mean=0,std=1,sice=3", "--preprocess sice=3: write each of size,"),
        ("size=16,size=17,mean=0,std=1", "--preprocess size=17"),
        ("size=big,mean=0,std=1", "'big'"),
        ("size=16,mean=,std=1", "--preprocess mean="),
    ],
)
def test_words_that_make_no_preprocessing_are_refused(words: str, message: str):
    with pytest.raises(UsageError, match=message):
        _ = Known(preprocess=words).contract


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(
        DataError, match=r"--preprocess no/such\.json: no such file; or write size="
    ):
        _ = Known(preprocess="no/such.json").contract
    with pytest.raises(DataError, match="std need 3 values"):
        contract("size=16,mean=0.1/0.2/0.3,std=0.1/0.2")


def test_names_of_classes(tmp_path: Path):
    assert Known(classes="cat, dog").names == ("cat", "dog")
    (tmp_path / "names.txt").write_text("cat\nbig dog\n\n")
    assert Known(classes=str(tmp_path / "names.txt")).names == ("cat", "big dog")
    for name, value in (("a.json", ["x", "y"]), ("labels.json", {"classes": ["x", "y"]})):
        (tmp_path / name).write_text(json.dumps(value))
        assert Known(classes=str(tmp_path / name)).names == ("x", "y")


def test_names_that_name_no_classes_are_refused(tmp_path: Path):
    (tmp_path / "odd.json").write_text('{"names": 1}')
    (tmp_path / "torn.json").write_text("{")
    for words, message in (
        ("cat,dog,cat", "'cat' stands there twice"),
        ("cat", "one class or none"),
        (str(tmp_path / "odd.json"), "holds no list of names"),
        (str(tmp_path / "torn.json"), "cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            _ = Known(classes=words).names


def test_published_weights_are_not_known_better():
    with pytest.raises(UsageError, match="are for --weights FILE"):
        Known(classes="a,b").check("auto")
    Known(classes="a,b").check("own.pt")


@pytest.mark.parametrize("share", [-0.1, 1.1, 98.6])
def test_an_accuracy_is_a_share(share: float):
    with pytest.raises(UsageError, match="--accuracy"):
        Known(accuracy=share)


def test_many_names_and_editors_marks(tmp_path: Path):
    many = tuple(f"class {number}" for number in range(100))
    assert Known(classes=",".join(many)).names == many  # longer than a file's name may be
    for name, text in (("names.txt", "cat\ndog\n"), ("labels.json", '["cat", "dog"]')):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert Known(classes=str(tmp_path / name)).names == ("cat", "dog")


@pytest.mark.parametrize("text", ["[" * 100_000, '["cat", null]', '["cat", ["dog"]]', '"cat"'])
def test_a_file_that_holds_no_names_is_refused(tmp_path: Path, text: str):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DataError, match=r"labels\.json: (cannot be read|holds no list of names)"):
        _ = Known(classes=str(tmp_path / "labels.json")).names


def test_long_words_are_no_file():
    with pytest.raises(UsageError, match="--preprocess x"):
        _ = Known(preprocess="size=16,mean=0,std=1," + "x" * 300).contract
    with pytest.raises(DataError, match="no such file; or write size="):
        _ = Known(preprocess="x" * 300).contract
