"""Jobs as data: TOML files, settings and their digests, and what is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError
from interp.jobs import Group, Job, Settings, read_job, recorded
from probes.spectrum import Convention

TEXT = """
out = "scored"
workers = 3
measure = "labels"
seed = 7

[[files]]
paths = ["runs/*", "s3://bucket/x.pt"]

[[files]]
paths = ["zoo"]
measure = "scores"
task = "add"
p = 23
split_from = "pairs.json"

[grid]
site = ["a", "b"]
n_random = [5, 10]
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "job.toml"
    file.write_text(text)
    return file


def test_a_file_describes_grids_of_files_and_settings(tmp_path: Path) -> None:
    job = read_job(write(tmp_path, TEXT))
    assert (job.out, job.workers, job.engine) == (tmp_path / "scored", 3, "local")
    first, second = job.groups
    assert first.paths == (str(tmp_path / "runs/*"), "s3://bucket/x.pt")
    combinations = [(s.measure, s.seed, s.site, s.n_random) for s in first.settings]
    assert combinations == [("labels", 7, site, n) for site in "ab" for n in (5, 10)]
    options = OpenOptions(task="add", p=23, split_from=str(tmp_path / "pairs.json"))
    assert {(s.measure, s.options) for s in second.settings} == {("scores", options)}


def test_options_take_the_files_place(tmp_path: Path) -> None:
    job = read_job(
        write(tmp_path, TEXT), out=tmp_path / "other", workers=None, engine="ray", retry_failed=True
    )
    assert (job.out, job.workers, job.engine, job.retry_failed) == (tmp_path / "other", 3, "ray", True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("out = ", "no valid TOML"),
        ('out = "x"', r"at least one \[\[files\]\]"),
        ('files = 3\nout = "x"', r"at least one \[\[files\]\]"),
        ('[[files]]\npaths = ["a"]', "does not say where its results go"),
        ('out = "x"\n[[files]]\npaths = "a"', "needs paths, a list"),
        ('out = "x"\n[[files]]\nmeasure = "labels"', "needs paths, a list"),
        (
            'out = "x"\nmesure = "labels"\n[[files]]\npaths = ["a"]',
            "unknown setting 'mesure'; did you mean 'measure'",
        ),
        ('out = "x"\n[[files]]\npaths = ["a"]\n[grid]\nseed = 3', r"\[grid\] seed = 3 is no list"),
        ('out = "x"\n[[files]]\npaths = ["a"]\n[grid]\nseed = []', r"\[grid\] seed = \[\] is no list"),
        ('out = "x"\nmeasure = "all"\n[[files]]\npaths = ["a"]', "unknown measure 'all'"),
        ('out = "x"\nworkers = 0\n[[files]]\npaths = ["a"]', "workers = 0"),
        ('out = "x"\nseed = "one"\n[[files]]\npaths = ["a"]', "seed = 'one'"),
        ('out = "x"\nengine = "spark"\n[[files]]\npaths = ["a"]', "unknown engine 'spark'"),
        (
            'out = "x"\nconvention = {sided = "three"}\n[[files]]\npaths = ["a"]',
            "the convention .* cannot be used",
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_job(write(tmp_path, text))


def test_what_is_recorded_is_the_same_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("x,label\n0,0\n")
    settings = Settings(
        "causal", OpenOptions(table="table.csv", sites=("a:input",)), "a", 3, 9, Convention(r=3.0)
    )
    job = Job(tmp_path / "out", (Group(("runs", "memory://b/*"), (settings, Settings())),))
    job.record()
    found = recorded(tmp_path / "out", workers=2)
    assert found.groups[0].paths == (str(tmp_path / "runs"), "memory://b/*")
    assert [s.digest for s in found.groups[0].settings] == [settings.digest, Settings().digest]
    assert found.groups[0].settings[1] == Settings()
    assert found.workers == 2


def test_a_record_that_is_missing_or_damaged_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no job is recorded"):
        recorded(tmp_path)
    (tmp_path / "job.json").write_text('{"groups": [{}]}')
    with pytest.raises(ConfigError, match="does not describe a job"):
        recorded(tmp_path)


def test_every_setting_and_every_file_it_names_changes_the_digest(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("one")
    changes = [
        Settings(), Settings("labels"), Settings(seed=1), Settings(site="x"), Settings(convention=Convention("two")),
        Settings(options=OpenOptions(p=5)), Settings(options=OpenOptions(table=table)),
        Settings(options=OpenOptions(dialect="he")), Settings("labels", since=str(table)),
    ]  # fmt: skip
    digests = [settings.digest for settings in changes]
    table.write_text("two")
    digests.append(Settings(options=OpenOptions(table=table)).digest)
    assert len(set(digests)) == len(digests)
    assert Settings(n_random=5).digest == Settings().digest  # scores have no control
    assert Settings("causal", n_random=5).digest != Settings("causal").digest
    factory = tmp_path / "net.py"
    factory.write_text("def one(): ...\ndef two(): ...")
    own = {
        Settings(options=OpenOptions(model=f"{factory}:{name}", sites=("0:input",))).digest
        for name in ("one", "two")
    }
    factory.write_text("def one(): ...")
    assert len(own | {Settings(options=OpenOptions(model=f"{factory}:one", sites=("0:input",))).digest}) == 3
    with pytest.raises(ConfigError, match=r"measure='scores' runs no activations.*take measure='labels'"):
        Settings(since=str(table))
    with pytest.raises(ConfigError, match="there is no table"):
        _ = Settings(options=OpenOptions(table=tmp_path / "gone.csv")).digest
