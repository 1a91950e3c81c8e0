from pathlib import Path

import pytest

from fleetfoot.core.errors import DataError, UsageError
from fleetfoot.jobs import runs
from fleetfoot.jobs.known import Known


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_a_bundle_or_a_run(here: Path):
    (here / "b").mkdir()
    (here / "b" / "bundle.json").write_text("{}")
    (here / "r").mkdir()
    (here / "r" / "run.json").write_text("{}")
    assert runs.resolve("b").kind == "bundle"
    assert runs.resolve("b/bundle.json").folder == Path("b")
    assert runs.resolve("r").kind == "run"
    assert runs.resolve("fasternet_t0") == runs.Target("net", "fasternet_t0", None)


def test_a_folder_named_like_a_network_is_the_folder(here: Path):
    (here / "fasternet_t0" / "bundle").mkdir(parents=True)
    assert runs.resolve("fasternet_t0").kind == "run"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("runs/none", "no such folder"),
        ("./none", "no such folder"),
        ("~/none", "no such folder"),
        ("empty", "neither a run nor a bundle"),
        ("file.txt", "is a file"),
        ("local:none", "no such folder"),
        ("local:file.txt", "no such folder"),
        ("saved", "name it local:saved"),
    ],
)
def test_other_paths_are_refused(here: Path, text: str, words: str):
    (here / "empty").mkdir()
    (here / "file.txt").write_text("")
    (here / "saved").mkdir()
    for name in ("model.safetensors", "config.json"):
        (here / "saved" / name).write_text("")
    with pytest.raises(DataError, match=words):
        runs.resolve(text)


def test_portable_weights_are_named_as_create_names_them(here: Path):
    (here / "saved").mkdir()
    assert runs.resolve("local:saved") == runs.Target("local", "local:saved", None)
    with pytest.raises(DataError, match="fleetfoot deploy local:saved"):
        runs.bundle_of("local:saved")
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="brings its own"):
        runs.load_network(runs.resolve("local:saved"), weights="none")


def test_the_bundle_of_a_run_is_inside_it(here: Path):
    (here / "r" / "bundle").mkdir(parents=True)
    (here / "my run").mkdir()
    (here / "my run" / "run.json").touch()
    for name, quoted in (("r", "r"), ("my run", "'my run'")):
        with pytest.raises(DataError, match=f"fleetfoot deploy {quoted}`"):
            runs.bundle_of(name)
    (here / "r" / "bundle" / "bundle.json").write_text("{}")
    assert runs.bundle_of("r") == Path("r/bundle")
    assert runs.bundle_of("r/bundle") == Path("r/bundle")
    with pytest.raises(DataError, match="no such folder"):
        runs.bundle_of("fasternet_t0")


def test_run_folders_are_numbered_and_never_taken_twice(here: Path):
    folders = [runs.new_run_folder("photos/") for _ in range(3)]
    assert [str(f) for f in folders] == ["runs/photos", "runs/photos2", "runs/photos3"]
    assert all(f.is_dir() for f in folders)
    assert runs.new_run_folder("digits") == Path("runs/digits")


def test_a_named_run_folder_must_be_new_or_empty(here: Path):
    assert runs.new_run_folder("digits", out="deep/down") == Path("deep/down")
    assert runs.new_run_folder("digits", out="deep/down") == Path("deep/down")
    (here / "deep" / "down" / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="exists"):
        runs.new_run_folder("digits", out="deep/down")
    with pytest.raises(UsageError, match="exists"):
        runs.new_run_folder("digits", out="deep/down/run.json")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("photos/", "photos"),
        ("/a/b c/", "b_c"),
        ("x/train.csv", "train"),
        ("mnist:/data/m", "mnist"),
        (".", "here"),
        ("../..", None),
        ("...", "run"),
        ("ünï/cödé", "cödé"),
    ],
)
def test_names_of_data_are_fit_for_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, name: str | None
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = runs.data_name(data)
    assert found
    assert "/" not in found
    assert name is None or found == name


def test_an_unknown_network_is_refused_with_the_nearest_names(here: Path):
    pytest.importorskip("torch")
    with pytest.raises(UsageError) as caught:
        runs.check_net("fasternet_t9")
    assert "fasternet_t" in str(caught.value)
    assert "folder" not in str(caught.value)
    with pytest.raises(UsageError, match=r"nearest: .*no folder 'fasternet_t9'"):
        runs.load_network(runs.resolve("fasternet_t9"))


def test_a_bundle_is_no_network(here: Path):
    pytest.importorskip("torch")
    (here / "bundle.json").write_text("{}")
    with pytest.raises(UsageError, match="bundle"):
        runs.load_network(runs.resolve("."))


def test_a_run_that_did_not_finish_has_no_network(here: Path):
    pytest.importorskip("torch")
    (here / "r").mkdir()
    (here / "r" / "run.json").write_text("{}")
    with pytest.raises(DataError, match="did not finish"):
        runs.load_network(runs.resolve("r"))


def test_a_network_by_name_has_published_classes_or_numbers(here: Path):
    pytest.importorskip("torch")
    network = runs.load_network(runs.resolve("tf_efficientnet_lite0"), weights="none")
    assert len(network.classes) == len(set(network.classes)) == 1000
    assert network.aliases["n01440764"] == "tench"
    assert network.weights["source"].startswith("none")
    assert not network.net.training
    plain = runs.load_network(runs.resolve("fleetnet_small"), weights="none")
    assert plain.classes[:2] == ("0", "1")
    assert plain.preprocess.channels == 3


def test_a_run_gives_its_network_back(here: Path):
    torch = pytest.importorskip("torch")
    from fleetfoot.nets.create import create
    from fleetfoot.nets.portable import save_portable

    net = create("fleetnet_small", num_classes=2, in_chans=1).eval()
    info = {"source": "somewhere", "licence": "CC0"}
    preprocess = runs.plain_preprocess(16, 1)
    save_portable(
        here / "r/weights", net, classes=["a", "b"], preprocess=preprocess.to_json(), info=info
    )
    network = runs.load_network(runs.resolve("r"))
    assert (network.name, network.classes) == ("fleetnet_small", ("a", "b"))
    assert network.preprocess == preprocess
    assert network.weights == {"source": "somewhere", "licence": "CC0"}
    image = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network.net(image), net(image))
    same = runs.load_network(runs.resolve("fleetnet_small"), weights="r/weights")
    assert same.classes == ("a", "b")
    with pytest.raises(DataError, match="holds weights of fleetnet_small"):
        runs.load_network(runs.resolve("fleetnet"), weights="r/weights")


def test_a_weight_file_needs_its_preprocessing_and_its_classes(here: Path):
    torch = pytest.importorskip("torch")
    from fleetfoot.nets.create import create

    torch.save(create("fleetnet_small", num_classes=3, in_chans=1).state_dict(), here / "own.pt")
    target = runs.resolve("fleetnet_small")
    with pytest.raises(UsageError, match=r"own\.pt: does not say how images .*--preprocess size="):
        runs.load_network(target, weights="own.pt")
    words = "size=16,channels=1,mean=0.5,std=0.5"
    with pytest.raises(DataError, match=r"own\.pt: has no \S+ of this shape.*--classes"):
        runs.load_network(target, weights="own.pt", known=Known(preprocess=words))
    known = Known(preprocess=words, classes="a,b,c")
    network = runs.load_network(target, weights="own.pt", known=known)
    assert network.classes == ("a", "b", "c")
    assert (network.preprocess.size, network.preprocess.channels) == (16, 1)
    assert network.net(torch.zeros(1, 1, 16, 16)).shape == (1, 3)
    with pytest.raises(UsageError, match="are for --weights FILE"):
        runs.load_network(target, known=known)


def test_an_empty_name_is_no_folder():
    with pytest.raises(UsageError, match="name of the run is empty"):
        runs.resolve(" ")


def test_a_run_is_held_by_one(here: Path):
    folder = runs.new_run_folder("photos", out="x")
    with (
        runs.alone_on(folder),
        pytest.raises(UsageError, match="x: another fleetfoot works"),
        runs.alone_on(folder),
    ):
        pass
    assert runs.new_run_folder("photos", out="x") == folder  # a lock that nobody holds is nothing
