"""Grids from TOML: what they make, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.errors import ConfigError
from interp.lab.grids.grid import grid_from, read_grid
from interp.lab.grids.run import Run, known_settings
from interp.models import MLPConfig, TransformerConfig

RECIPES = sorted((Path(__file__).parents[4] / "notebooks" / "recipes").glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    file = folder / "grid.toml"
    file.write_text(text)
    return file


def test_every_combination_is_a_run(tmp_path: Path) -> None:
    text = 'out = "swept"\np = 13\nwidth = 9\n[grid]\ntrain_fraction = [0.3, 0.6]\n'
    text += "weight_decay = [0, 15]\nseed = [0, 1]\n"
    grid = read_grid(write(tmp_path, text))
    assert len(grid.runs) == 8
    assert grid.out == tmp_path / "swept"
    assert grid.axes == ("train_fraction", "weight_decay", "seed")
    first, last = grid.runs[0], grid.runs[-1]
    assert (first.task.p, first.task.train_fraction, first.task.seed) == (13, 0.3, 0)
    assert (last.training.weight_decay, last.training.seed, last.task.seed) == (15.0, 1, 1)
    assert first.shape == MLPConfig(width=9)
    assert len({run.name for run in grid.runs}) == 8


def test_parts_have_settings_and_expectations_of_their_own(tmp_path: Path) -> None:
    text = """
    steps = 7
    expect = "coexistence"
    [grid]
    seed = [0, 1]
    [[runs]]
    name = "small"
    batch_size = 8
    [[runs]]
    name = "attention"
    model = "transformer"
    d_mlp = 32
    expect = ["memorisation", "confusion"]
    grid = { d_model = [8, 16], seed = [3] }
    """
    grid = read_grid(write(tmp_path, text), out=tmp_path / "o", workers=2)
    assert [run.variant for run in grid.runs] == ["small", "small", "attention", "attention"]
    assert [run.expect for run in grid.runs][1:3] == [("coexistence",), ("memorisation", "confusion")]
    assert grid.runs[0].training.batch_size == 8
    assert isinstance(grid.runs[2].shape, TransformerConfig)
    assert (grid.runs[3].shape.d_model, grid.runs[3].training.lr, grid.runs[3].tokens) == (16, 0.001, "a b")
    assert grid.workers == 2


def test_a_name_changes_with_every_setting_but_not_with_how_a_number_is_written() -> None:
    one, same, other = (Run({"p": 13, "weight_decay": wd}, {"seed": 0}) for wd in (5, 5.0, 6))
    assert one.name == same.name != other.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht = 3", "unknown setting 'widht'; did you mean 'width'"),
        ("d_model = 8", "unknown setting 'd_model'"),
        ('width = "wide"', "width = 'wide' is not a whole number"),
        ("width = true", "width = True is not a whole number"),
        ("tied = 1", "tied = 1 is not true or false"),
        ("train_fraction = 2.0", "train_fraction=2.0"),
        ("[grid]\nseed = 3", r"\[grid\] seed = 3 is no list"),
        ("[grid]\nseed = []", "is no list of values"),
        ("[grid]\nseed = [0, 0]", "two runs of the grid are the same"),
        ('expect = "growth"', "unknown expect 'growth'"),
        ('measure = "scores"', "unknown measure 'scores'"),
        ("workers = 1.5", "workers = 1.5 is not a whole number"),
        ("workers = 0", "workers = 0 must be a whole number of at least 1"),
        ('model = "rnn"', "unknown model 'rnn'"),
        ('operation = "divide"\np = 12', "divide needs a prime modulus"),
        ("runs = 3", "must be tables of settings"),
        ("p = ", "is no valid TOML"),
        ("out = 5", "out = 5 is not text"),
        ("title = 5", "title = 5 is not text"),
        ("grid = [1]", r"grid = \[1\] is not a table"),
        ("[[runs]]\ngrid = 3", "grid = 3 is not a table"),
        ("[[runs]]\nname = 5", "name = 5 is not text"),
        ("expect = true", "expect = True is neither a phase nor a list"),
        ("expect = [3]", "unknown expect"),
        ("lr = nan", "lr = nan is no usable number"),
        ("lr = inf", "lr = inf is no usable number"),
        ("seed = 99999999999999999999999999", "seed = 9+ is no usable number"),
        ('paper = "x"', "paper = 'x' is not a table"),
        ("[paper]\nx = 1979-05-27", r"\[paper\] names 'x'"),
        ("[paper.neurons_needed]\ntwo = 3", "must be numbers by number"),
        ('[paper.pruning."lowest first".test]\n"0.1" = nan', "must be numbers by number"),
        ("[paper.pruning]\nlowest = {}", "names 'lowest'; did you mean 'lowest first'"),
        ('model = "transformer"\ntokens = "a b +"', "tokens|prompt"),
        ('norm = "batch"\nbatch_size = 1', "batches of at least 2 examples"),
        ("[grid]\nweight_decay = [0, 0.0]", "two runs of the grid are the same"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_grid(write(tmp_path, text), out="o")


def test_a_grid_needs_a_file_and_a_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no grid"):
        read_grid(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="does not say where its results go"):
        grid_from({"p": 13})


def test_settings_are_those_of_the_three_configs() -> None:
    known = known_settings("mlp")
    assert {"operation", "p", "corrupt", "width", "norm", "lr", "steps", "seed"} <= set(known)
    assert "split" not in known


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_recipes_can_be_read(file: Path, tmp_path: Path) -> None:
    grid = read_grid(file, out=tmp_path)
    assert grid.title
    assert "seed" in grid.axes


def test_every_regime_has_a_recipe() -> None:
    regimes = {
        "coexistence",
        "partial-inversion",
        "full-inversion",
        "memorisation",
        "forgetting",
        "confusion",
    }
    others = {"dropout", "norms", "mini-batches", "cross-entropy", "relu", "width", "multiplication"}
    others |= {"polynomials", "permutations", "transformer", "phase-diagram"}
    assert {file.stem for file in RECIPES} == regimes | others
