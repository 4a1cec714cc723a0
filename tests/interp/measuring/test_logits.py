"""Logits that are computed by blocks: the same results as those that are held, and never all of them at once."""

import json
from collections.abc import Callable
from threading import get_ident
from typing import Any

import numpy as np
import pytest
import torch

from interp import audit, dose
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.measuring import curves, evaluation, logits
from interp.measuring.cached_pass import cached_pass
from interp.measuring.curves import counts_by_blocks, measure_curve
from interp.measuring.evaluation import evaluate, measure_logits
from interp.measuring.leakage import swap_asymmetry
from interp.measuring.logits import Streamed, blocks_of, by_rows, whole_of
from interp.measuring.removals import removal
from interp.measuring.streamed_prefix import StreamedPrefix
from interp.measuring.traces import memory_traces
from interp.models import HookedMLP, Prompt, SmallTransformer, TransformerConfig, planted_mlp
from interp.scoring.evidence import measure_evidence, questions_of

ROWS = 200


@pytest.fixture(scope="module")
def planted() -> tuple[HookedMLP, ModularTask]:
    task = ModularTask("group:S4", train_fraction=0.6, corrupt_fraction=0.15)
    return planted_mlp(task, memorizing=60, dead=4).model, task


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stream the logits of small networks too, `ROWS` examples at a time, and fail where all are asked for."""
    monkeypatch.setattr(evaluation, "HELD", 0)
    monkeypatch.setattr(logits, "BLOCK", ROWS * 24)

    def refuse(_: Streamed) -> None:
        raise AssertionError("all logits were asked for")

    monkeypatch.setattr(Streamed, "whole", refuse)


def counted(values: torch.Tensor) -> tuple[Streamed, list[int]]:
    """Streamed logits of known values, and how many rows were computed at a time."""
    asked: list[int] = []

    def compute(rows: torch.Tensor | slice) -> torch.Tensor:
        asked.append(len(values[rows]))
        return values[rows]

    return Streamed(tuple(values.shape), values.device, compute), asked


def assert_alike(one: Any, two: Any, path: str = "") -> None:
    """Equality of what JSON holds, numbers to 1e-6."""
    assert type(one) is type(two), path
    if isinstance(one, dict):
        assert one.keys() == two.keys(), path
        for key in one:
            assert_alike(one[key], two[key], f"{path}/{key}")
    elif isinstance(one, list):
        assert len(one) == len(two), path
        for i, pair in enumerate(zip(one, two, strict=True)):
            assert_alike(*pair, f"{path}/{i}")
    elif isinstance(one, float):
        close = 0.02 if "/accuracy/" in path and path.startswith("/ablation") else 1e-6  # ties of few neurons
        assert one == pytest.approx(two, rel=1e-6, abs=close, nan_ok=True), path
    else:
        assert one == two, path


def test_an_audit_of_streamed_logits_is_that_of_held_ones(
    planted: tuple[HookedMLP, ModularTask], request: pytest.FixtureRequest
) -> None:
    held = json.loads(json.dumps(audit(*planted, n_random=3).to_dict()))
    request.getfixturevalue("streaming")
    streamed = json.loads(json.dumps(audit(*planted, n_random=3).to_dict()))
    assert streamed["reading"].pop().startswith("Curves have points at evenly spaced numbers of neurons")
    assert_alike(held, streamed)


@pytest.mark.parametrize(
    "shape",
    [
        {"n_layers": 2, "norm": "layer"},
        {"norm": "layer", "bias": True},
        {"n_layers": 3, "causal": False},
    ],
)
def test_an_audit_with_layers_after_the_site_is_the_same_in_parts(
    shape: dict[str, Any], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = 11
    task = ModularTask("add", p, train_fraction=0.6, corrupt_fraction=0.2)
    config = TransformerConfig(**{"d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 12, **shape})
    model = SmallTransformer(config, p + 1, p, Prompt.parse("a b =", p=p), seed=1).eval()
    held = json.loads(json.dumps(audit(model, task, n_random=2).to_dict()))
    request.getfixturevalue("streaming")
    one = torch.Size(cached_pass(model, task).change.shape[1:]).numel() + p
    monkeypatch.setattr("interp.measuring.cached_pass.PART", 40 * one)
    assert len(list(cached_pass(model, task).parts())) == 4
    streamed = json.loads(json.dumps(audit(model, task, n_random=2).to_dict()))
    streamed["reading"] = [note for note in streamed["reading"] if not note.startswith("Curves have points")]
    assert_alike(held, streamed)


def test_threads_that_follow_a_change_do_not_run_the_network(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = 11
    task = ModularTask("add", p, train_fraction=0.6, corrupt_fraction=0.2)
    config = TransformerConfig(d_model=16, n_heads=2, d_head=8, d_mlp=12, n_layers=2)
    model = SmallTransformer(config, p + 1, p, Prompt.parse("a b =", p=p), seed=1).eval()
    site = "blocks.0.mlp.hook_post"
    held = cached_pass(model, task, site=site)
    expected = measure_evidence(held, [questions_of(held)], 0)[1][0]
    request.getfixturevalue("streaming")
    for module in ("suffix_logits", "through_block"):
        monkeypatch.setattr(f"interp.measuring.{module}.PAIRS", 20)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in range(5):
            cached = cached_pass(model, task, site=site)
            questions = [questions_of(cached)]
            monkeypatch.setattr(StreamedPrefix, "of", only_of_this_thread(StreamedPrefix.of))
            evidence = measure_evidence(cached, questions, 0)[1][0]
            np.testing.assert_allclose(evidence.rule.effect, expected.rule.effect, atol=1e-5)
    finally:
        torch.set_num_threads(before)


def only_of_this_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that fails where another thread calls it."""
    own = get_ident()

    def called(*args: Any, **kwargs: Any) -> Any:
        assert get_ident() == own
        return function(*args, **kwargs)

    return called


def test_doses_and_curves_are_the_same(
    planted: tuple[HookedMLP, ModularTask], request: pytest.FixtureRequest
) -> None:
    cached, order = cached_pass(*planted), np.arange(0, 118, 9)
    by_blocks = counts_by_blocks(cached, order)
    whole = dose(*planted, order, n_random=2), measure_curve(cached, order, n_random=2)
    request.getfixturevalue("streaming")
    streamed = cached_pass(*planted)
    assert isinstance(streamed.logits, Streamed)
    parts = dose(*planted, order, n_random=2), measure_curve(streamed, order, n_random=2)
    for one, two in zip(whole, parts, strict=True):
        for split, values in one.accuracy.items():
            np.testing.assert_allclose(values, two.accuracy[split], atol=1e-9)
            np.testing.assert_allclose(one.random[split].low, two.random[split].low, atol=1e-9)
    np.testing.assert_array_equal(by_blocks, counts_by_blocks(streamed, order))


def test_measures_work_on_few_rows_at_a_time(
    planted: tuple[HookedMLP, ModularTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = planted
    data = task.dataset
    with torch.no_grad():
        values = model(data.inputs)
    monkeypatch.setattr(logits, "BLOCK", ROWS * 24)
    streamed, asked = counted(values)
    for loss in ("cross_entropy", "mse"):
        one, two = (measure_logits(some, data, loss=loss) for some in (values, streamed))
        for name in ("accuracy", "loss", "margin"):
            for split, value in getattr(one, name).to_dict().items():
                assert getattr(two, name)[split] == pytest.approx(value, rel=1e-6)
    assert swap_asymmetry(streamed, data) == pytest.approx(swap_asymmetry(values, data), rel=1e-6)
    assert memory_traces(streamed, streamed, data) == memory_traces(values, values, data)
    assert max(asked) == ROWS
    assert measure_logits(values, data) == evaluate(model, task)


def test_rows_are_put_together_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(25, 4, generator=torch.Generator().manual_seed(0))
    streamed, asked = counted(values)
    monkeypatch.setattr(logits, "BLOCK", 40)
    chosen = torch.tensor([7, 3, 24, 3, 0, 1, 2, 8, 9, 10, 11, 12])
    sums = by_rows(lambda block, add: block.sum(1) + add, streamed, torch.arange(12), chosen=chosen)
    torch.testing.assert_close(sums, values[chosen].sum(1) + torch.arange(12))
    assert asked == [10, 2]
    assert [rows.stop for rows in blocks_of(streamed)] == [10, 20, 25]
    assert [rows.stop for rows in blocks_of(values)] == [25]
    torch.testing.assert_close(whole_of(streamed), values)


def test_all_logits_are_refused_where_memory_does_not_hold_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKSCOPE_MEMORY", "1")
    streamed = Streamed((518_400, 720), torch.device("cpu"), lambda rows: torch.zeros(1, 720))
    with pytest.raises(ConfigError, match="holding 518,400 examples of 720 numbers needs about"):
        streamed.whole()


def test_columns_of_all_examples_fit_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(50, 9, generator=torch.Generator().manual_seed(0))
    streamed, _ = counted(values)
    monkeypatch.setattr(logits, "BLOCK", 60)
    monkeypatch.setenv(
        "GROKSCOPE_MEMORY", f"{2 * 2 * 4 * 50 * 4}b"
    )  # four columns and a copy of them, in half of it
    parts = list(logits.columns_of(streamed))
    assert [(some.start, some.stop) for some, _ in parts] == [(0, 4), (4, 8), (8, 9)]
    torch.testing.assert_close(torch.cat([part for _, part in parts], dim=1), values)
    chosen = torch.tensor([8, 2])
    torch.testing.assert_close(logits.chosen_columns(streamed, chosen), values[:, chosen])
    torch.testing.assert_close(whole_of(streamed.at(chosen)), values[chosen])
    torch.testing.assert_close(whole_of(logits.mapped(streamed, torch.neg)), -values)
    monkeypatch.setenv("GROKSCOPE_MEMORY", "100b")
    with pytest.raises(ConfigError, match="holding 2 neurons on 50 examples needs about"):
        logits.chosen_columns(streamed, chosen)


def test_controls_are_measured_on_a_sample_that_stands_for_all(
    planted: tuple[HookedMLP, ModularTask],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = cached_pass(*planted)
    assert held.sampled is held
    assert held.sample.notes == ()
    request.getfixturevalue("streaming")
    monkeypatch.setattr("interp.measuring.passed.SAMPLED", len(held.data) * 150)
    monkeypatch.setattr("interp.measuring.sample.FEWEST_OF_GROUP", 20)
    cached = cached_pass(*planted)
    sample = cached.sample
    assert 20 < len(sample.rows) < len(held.data) // 2
    sizes = np.bincount(held.group, minlength=3)
    np.testing.assert_allclose(sample.weights * sample.drawn, sizes)
    assert (np.bincount(held.group[sample.rows], minlength=3) == sample.drawn).all()
    torch.testing.assert_close(cached.sampled.logits, held.logits[sample.rows])
    torch.testing.assert_close(cached.sampled.margins, held.margins[:, sample.rows])
    ones = np.stack([sample.drawn, sample.drawn], axis=1)
    np.testing.assert_allclose(sample.counts(ones)[:, 0], sizes)
    assert f"on {len(sample.rows):,} of {len(held.data):,} examples" in sample.notes[0]
    neurons = np.arange(0, cached.width, 4)
    whole, part = removal(held, neurons, n_draws=9), removal(cached, neurons, n_draws=9)
    assert part.after == whole.after
    assert part.random["all"].mean == pytest.approx(whole.random["all"].mean, abs=0.1)


def test_points_of_a_curve_are_those_of_every_step(planted: tuple[HookedMLP, ModularTask]) -> None:
    cached = cached_pass(*planted)
    order = np.random.default_rng(0).permutation(cached.width)
    removed = curves.evenly_spaced(len(order), 9)
    whole = measure_curve(cached, order, n_random=0)
    points = curves.split_accuracy(curves.counts_at_points(cached, order, removed), cached)
    for split, values in points.items():
        np.testing.assert_allclose(values, whole.accuracy[split][removed], atol=2e-3)  # ties of rounding
    torch.testing.assert_close(cached.logits, cached_pass(*planted).logits)  # left as they were
