"""Benchmarks: other people's ways measure what ours do, turns are counted, and tables show the committed rows."""

from __future__ import annotations

import csv
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from language_models import tiny

from interp.data import ModularTask
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import measure_curve
from interp.measuring.effects import single_effects
from interp.models import HookedMLP, HookedModel, MLPConfig, Prompt, SmallTransformer, TransformerConfig

ROOT = Path(__file__).parents[1]
FOLDER, RESULTS = ROOT / "tests" / "benchmarks", ROOT / "notebooks" / "results" / "benchmarks"
TASK = ModularTask("add", 11, train_fraction=1.0)
NEURONS, STEPS = 5, [0, 1, 3, 15]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> object:
    """Modules of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module


def networks() -> dict[str, HookedModel]:
    shape = TransformerConfig(causal=True, d_model=16, d_mlp=16, n_heads=2, d_head=8, init_scale=4)
    return {
        "perceptron": HookedMLP(MLPConfig(width=16), vocab=11).eval(),
        "transformer": SmallTransformer(shape, 12, 11, Prompt.parse("a b =", p=11)).eval(),
    }


WAYS = {"by_notebook": None, "by_hooks": None, "by_captum": "captum", "by_nnsight": "nnsight"}


@pytest.mark.parametrize("kind", networks())
@pytest.mark.parametrize("way", WAYS)
def test_other_ways_measure_the_same_effects(benchmark, kind: str, way: str) -> None:
    if WAYS[way]:
        pytest.importorskip(WAYS[way], reason=f"{WAYS[way]} is not installed", exc_type=ImportError)
    if way == "by_notebook" and kind == "transformer":
        pytest.skip("the notebook has no transformer")
    peers, model = benchmark("peers"), networks()[kind]
    state = cached_pass(model, TASK, site=peers.SITE)
    expected = np.mean(state.logits.argmax(-1).numpy() == TASK.dataset.labels.numpy())
    expected = expected - single_effects(state).accuracy_drop["train"][:NEURONS]
    chosen = NEURONS if way == "by_captum" else peers.alone(NEURONS)
    assert getattr(peers, way)(model, TASK, chosen) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", networks())
@pytest.mark.parametrize("way", ["by_notebook", "by_hooks", "curve_by_captum", "by_nnsight"])
def test_other_ways_measure_the_same_curve(benchmark, kind: str, way: str) -> None:
    package = WAYS.get(way.removeprefix("curve_"))
    if package:
        pytest.importorskip(package, reason=f"{package} is not installed", exc_type=ImportError)
    if way == "by_notebook" and kind == "transformer":
        pytest.skip("the notebook has no transformer")
    peers, model = benchmark("peers"), networks()[kind]
    curve = measure_curve(cached_pass(model, TASK, site=peers.SITE), np.arange(16), n_random=0)
    measured = getattr(peers, way)(model, TASK, peers.cumulative(STEPS))
    assert measured == pytest.approx(curve.accuracy["train"][STEPS], abs=1e-6)


def row_of(timing: ModuleType, limit: object, theirs: float = 6.0, **more: object) -> dict[str, object]:
    """A row of a contest whose ways say themselves that they took 2 s, and so many."""
    ways = {"other": timing.Peer(lambda: lambda: timing.Cost(theirs, theirs), limit, **more)}
    line = timing.Line("work", lambda: timing.Contest(lambda: timing.Cost(2.0, 2.0), ways))
    return timing.measure("name", line, quick=True)[0]


@pytest.mark.parametrize(
    ("kind", "number", "ratio", "held"),
    [("least", 3, 3, True), ("least", 4, 3, False), ("most", 0.3, 1 / 3, False), ("within", 3, 3, True)],
)
def test_limits(benchmark, kind: str, number: float, ratio: float, held: bool) -> None:
    timing = benchmark("timing")
    row = row_of(timing, timing.Limit(kind, number))
    assert (row["ratio"], row["held"]) == (pytest.approx(ratio), held)


def test_a_part_of_the_work_is_scaled(benchmark) -> None:
    row = row_of(benchmark("timing"), None, theirs=1.5, times=32.0, note="16 of 512, scaled")
    assert (row["theirs"], row["ratio"], row["held"]) == (48.0, 24.0, None)


def test_a_package_that_is_missing_is_said(benchmark) -> None:
    row = row_of(benchmark("timing"), None, needs="no_such_package")
    assert row["note"] == "no_such_package is not installed"
    assert "theirs" not in row


def test_ways_take_turns_and_short_runs_are_repeated(benchmark) -> None:
    timing, turns = benchmark("timing"), []
    works = {name: lambda name=name: turns.append(name) for name in "ab"}
    cost = timing.Cost(0.0, 0.0)
    timing.alternate(works, {"a": (cost, timing.ENOUGH / 2), "b": (cost, timing.ENOUGH)})
    assert turns == ["a", "a", "b"] * timing.ROUNDS


def test_a_run_that_fills_the_time_is_not_repeated(benchmark) -> None:
    timing = benchmark("timing")
    cost = timing.Cost(99.0, 98.0)
    assert timing.alternate({"": pytest.fail}, {"": (cost, 99.0)}) == {"": cost}


def test_figures_of_two_devices_are_compared(benchmark) -> None:
    on_device = benchmark("on_device")
    one = {"a": {"accuracy": 0.5, "seconds": 1.0}, "b": [1.0, float("nan")]}
    on_device.check_close(one, {"a": {"accuracy": 0.50001, "seconds": 9.0}, "b": [1.0, float("nan")]})
    with pytest.raises(AssertionError, match=r"1 of 3 numbers differ; a\.accuracy: 0\.5 and 0\.6"):
        on_device.check_close(one, {"a": {"accuracy": 0.6}, "b": [1.0, float("nan")]})
    with pytest.raises(AssertionError, match="only one device gives"):
        on_device.check_close(one, {"a": {"accuracy": 0.5}})


def test_lines_of_devices_compute_what_they_compare(benchmark) -> None:
    on_device = benchmark("on_device")
    assert len(on_device.numbers_in(on_device.grid("cpu", networks=2, p=5, width=4)())) == 2
    assert len(on_device.numbers_in(on_device.sequences("cpu", tiny("gpt2"), length=8)())) > 20


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", ["audit", "curve", "grid", "sequences"])
def test_a_gpu_gives_the_processors_figures(benchmark, name: str) -> None:
    on_device = benchmark("on_device")
    start = {"audit": on_device.audited}.get(name) or getattr(on_device, name)
    on_device.check_close(start("cuda")(), start("cpu")())


def test_every_line_has_a_name_of_its_own_and_words(benchmark) -> None:
    names = []
    for part in (part for part in benchmark("all").PARTS if part != "explorer"):  # which needs a browser
        lines = benchmark(part).LINES
        assert all(one.work for one in lines.values())
        names += lines
    assert len(set(names)) == len(names)


@pytest.mark.slow  # each of its lines is imported in a process of its own
def test_an_unknown_line_is_refused_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "all.py", "--only", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no line nothing; expected some of" in done.stderr


def test_the_committed_tables_are_made_of_the_committed_rows(benchmark) -> None:
    rendering = benchmark("rendering")
    for place in RESULTS.glob("*.csv"):
        with place.open(newline="") as file:
            rows = list(csv.DictReader(file))
        text = place.with_suffix(".md").read_text()
        assert text.partition("\n\n")[2] == rendering.markdown(rows, {}).partition("\n\n")[2]
