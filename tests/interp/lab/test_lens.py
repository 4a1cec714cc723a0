"""The study of what neurons write: its series, its sentences and its figure, on networks whose waves are known."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from figures import check_figure

from interp import TrainConfig, load_checkpoint, train
from interp.checkpoints import Checkpoint
from interp.data import ModularTask
from interp.errors import CheckpointError, ConfigError
from interp.lab.lens.record import decode_network
from interp.lab.lens.series import decode_series
from interp.lab.lens.study import STUDY, Config
from interp.lab.running import run_study
from interp.lab.study import Record, StudyResult
from interp.measuring.removals import removal
from interp.models import HookedMLP, MLPConfig, SmallTransformer, TransformerConfig, analytic_mlp

FILES = Path(__file__).parents[4] / "shared" / "checkpoints"
TINY: dict[str, Any] = {"p": 13, "width": 32, "steps": 20, "rotations": 1000, "clamped": 4}


def opened(model: Any, **given: Any) -> Checkpoint:
    return Checkpoint(model, ModularTask("add", p=31), "in memory", **given)


def edited(model: HookedMLP, change: Any) -> HookedMLP:
    """A copy whose readout ``(neuron, output)`` was changed."""
    twin = copy.deepcopy(model)
    with torch.no_grad():
        change(twin.unembed.weight)
    return twin


def told(*rows: dict[str, float | None], **settings: Any) -> list[str]:
    """What is said of seeds with these numbers."""
    plain = dict.fromkeys(STUDY.quantities) | {
        "exact": 1.0, "explained": 9.0, "same": 9.0, "agreement": 1.0, "chance": 0.1, "resultant": 0.95,
        "offset": 0.01, "share": 0.9, "share_rotated": 0.2, "significant": 0.8, "error": 1e-9, "error_stored": 2e-6,
        "relative_error": 1e-7, "moved": 3.0,
    }  # fmt: skip
    records = tuple(Record(plain | row, {}) for row in rows)
    return StudyResult(STUDY, Config(**settings), tuple(range(len(rows))), records).findings()


def test_a_series_says_when_each_neuron_settled() -> None:
    last = analytic_mlp("add", p=31, width=20)
    angle = 2 * np.pi * 15 * torch.arange(31) / 31

    def other(weight: torch.Tensor) -> None:
        weight[:5] = torch.cos(angle)  # its frequency is none of the first five neurons'

    def dead(weight: torch.Tensor) -> None:
        other(weight)
        weight[19] = 0

    models = [edited(last, dead), edited(last, other), last, edited(last, lambda weight: weight.mul_(-2))]
    found = decode_series([opened(model, step=10 * i) for i, model in enumerate(models)])
    assert found.steps.tolist() == [0, 10, 20, 30]
    assert found.settled().tolist() == [20.0] * 5 + [0.0] * 14 + [10.0]
    rows = [model.unembed.weight.detach().double().numpy() for model in models]
    for i in range(5):
        expected = np.corrcoef(rows[1][i], rows[2][i])[0, 1]
        assert found.cosine[1, i] == pytest.approx(expected, abs=1e-9)
        assert found.others[1, i + 1] == pytest.approx(
            np.corrcoef(rows[1][i], rows[2][i + 1])[0, 1], abs=1e-9
        )
    assert found.cosine[2] == pytest.approx(-1)
    assert np.isnan(found.cosine[0, 19])


def test_a_series_says_when_the_network_had_learnt() -> None:
    right = analytic_mlp("add", p=31, width=150)
    wrong = edited(right, lambda weight: weight.mul_(-1))
    task = ModularTask("add", p=31, train_fraction=0.5)
    series = [replace(opened(model), task=task) for model in (wrong, right, wrong)]
    assert decode_series(series).learnt() == 1
    assert decode_series([series[0], series[0]]).learnt() is None
    unordered = [replace(one, step=step) for one, step in zip(series, (5, 3, 9), strict=True)]
    assert decode_series(unordered).steps.tolist() == [0, 1, 2]
    with pytest.raises(ConfigError, match="1 checkpoints are no series"):
        decode_series(series[:1])


def test_the_smallest_run_is_whole_and_repeatable() -> None:
    found = run_study("lens", [0, 1], show_progress=False, workers=1, **TINY)
    assert found.to_dict() == run_study("lens", [0, 1], show_progress=False, workers=1, **TINY).to_dict()
    error, moved = found.over("error"), found.over("moved")
    assert error is not None
    assert moved is not None
    assert max(error.values) < 1e-12 < min(moved.values)
    assert found.records[0].curves["series"]["steps"] == list(range(21))
    assert found.over("cosine") is not None
    check_figure(found.plot(), inner=0)


def test_progress_reaches_its_end() -> None:
    seen: list[int] = []
    STUDY.measure(Config(**TINY), 0, lambda done, note="": seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == STUDY.units(Config(**TINY))


def test_the_closed_form_is_decoded_for_every_seed() -> None:
    found = run_study("lens", [0, 1], opened=opened(analytic_mlp("add", p=31, width=60)), show_progress=False)
    for name, value in (("explained", 60), ("same", 60), ("significant", 1), ("share", 1), ("resultant", 1)):
        over = found.over(name)
        assert over is not None
        assert over.values == pytest.approx((value, value), abs=1e-5)
    assert found.over("cosine") is None
    one, other = (record.numbers["moved"] for record in found.records)
    assert one != other  # other neurons, other values
    figure = found.plot()
    check_figure(figure)
    dots = next(trace for trace in figure.data if trace.name == "neurons" and trace.type == "scatter")
    assert dots.x == dots.y
    assert sum(dots.customdata) == 60
    control = next(
        trace for trace in figure.data if trace.name == "rotated directions" and trace.type == "scatter"
    )
    assert control.x != control.y


def test_a_control_shows_what_the_neurons_that_write_no_wave_are_for() -> None:
    task = ModularTask("add", p=31, train_fraction=0.8, corrupt_fraction=0.2)
    model = analytic_mlp("add", p=31, width=120)
    generator = torch.Generator().manual_seed(0)
    noisy = edited(model, lambda weight: weight[100:].normal_(0, 1e-3, generator=generator))
    found = run_study("lens", [0], opened=Checkpoint(noisy, task, "in memory"), show_progress=False)
    numbers = found.records[0].numbers
    assert numbers["significant"] == pytest.approx(100 / 120, abs=0.01)
    assert numbers["test_without"] > 0.9  # which random neurons would cost
    assert numbers["test_random"] < numbers["test_without"]


def test_the_control_is_drawn_from_living_neurons(monkeypatch: pytest.MonkeyPatch) -> None:
    task = ModularTask("add", p=31, train_fraction=0.8, corrupt_fraction=0.2)
    model = analytic_mlp("add", p=31, width=120)
    generator = torch.Generator().manual_seed(0)

    def change(weight: torch.Tensor) -> None:
        weight[40:60].normal_(0, 1e-3, generator=generator)
        weight[60:] = 0

    pools = []

    def spied(state: Any, neurons: Any, **given: Any) -> Any:
        pools.append((np.flatnonzero(neurons), given["pool"]))
        return removal(state, neurons, **given)

    monkeypatch.setattr("interp.lab.lens.record.removal", spied)
    one = Checkpoint(edited(model, change), task, "in memory")
    numbers = decode_network(one, None, Config(rotations=1000), 0).numbers
    gone, pool = pools[0]
    assert set(gone) <= set(range(40, 60))
    assert pool.tolist() == list(range(60))
    assert numbers["test_random"] is not None
    noise = edited(model, lambda weight: weight.normal_(0, 1e-3, generator=generator))
    numbers = decode_network(Checkpoint(noise, task, "in memory"), None, Config(rotations=1000), 0).numbers
    assert numbers["significant"] < 0.2  # type: ignore[operator]  # so that random sets are nearly the same one
    assert numbers["test_random"] is numbers["test_without"] is numbers["corrupted_random"] is None


def test_why_a_series_is_left_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ModularTask("add", p=11, train_fraction=0.8)
    train(task, MLPConfig(width=12), TrainConfig(steps=4, save_every=2), out=tmp_path, show_progress=False)

    def broken(files: list[Path]) -> Any:
        raise CheckpointError(f"{files[0].parent.name!r} holds a damaged file")

    monkeypatch.setattr("interp.lab.lens.series.load_files", broken)
    found = run_study("lens", [0], opened=load_checkpoint(tmp_path), show_progress=False)
    assert found.records[0].curves["series"] is None
    assert "holds a damaged file" in found.records[0].curves["series_note"]
    (told_why,) = [one for one in found.findings() if one.startswith("The checkpoints before are left out (")]
    assert told_why.endswith("holds a damaged file).")


def test_a_checkpoint_brings_its_series(tmp_path: Path) -> None:
    task = ModularTask("add", p=11, train_fraction=0.8)
    train(task, MLPConfig(width=12), TrainConfig(steps=6, save_every=2), out=tmp_path, show_progress=False)
    one = load_checkpoint(tmp_path)
    found = run_study("lens", [0], opened=one, show_progress=False)
    assert found.records[0].curves["series"]["steps"] == [0, 2, 4, 6]
    early = load_checkpoint(tmp_path / "step-00000002.safetensors")
    assert run_study("lens", [0], opened=early, show_progress=False).records[0].curves["series"]["steps"] == [
        0,
        2,
    ]
    first = load_checkpoint(tmp_path / "step-00000000.safetensors")
    assert run_study("lens", [0], opened=first, show_progress=False).records[0].curves["series"] is None


def test_what_is_not_linear_is_told_as_an_approximation() -> None:
    config = TransformerConfig(d_model=8, n_heads=2, d_head=4, d_mlp=6, norm="layer")
    model = SmallTransformer(config, 31, 31).eval()
    found = run_study("lens", [0], opened=opened(model), rotations=1000, clamped=3, show_progress=False)
    assert found.records[0].numbers["exact"] == 0
    assert any("an approximation" in sentence for sentence in found.findings())
    deep = HookedMLP(MLPConfig(width=6, depth=3), vocab=31).eval()
    first = "blocks.0.mlp.hook_post"
    found = run_study(
        "lens", [0], opened=opened(deep), rotations=1000, clamped=3, site=first, show_progress=False
    )
    assert found.records[0].numbers["exact"] == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"p": 3}, "p=3 is below 5"),
        ({"clamped": 0}, "clamped=0"),
        ({"rotations": 999}, "rotations=999 must be at least 1000: with fewer no p-value"),
        ({"least": 0.0}, r"least=0.0 is not in \(0, 1"),
        ({"train_fraction": 1.5}, "train_fraction=1.5"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0"),
    ],
)
def test_settings_out_of_range_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Config(**given)


def test_agreement_is_told_as_it_is() -> None:
    first, second, *_ = told({}, {"same": 8.0, "explained": 8.0})
    assert first == (
        "Every neuron that one frequency explains to 85 % writes the frequency that it reads (9 of 9, 8 of 8). "
        "Rotated directions would in 10.0 %."
    )
    assert "the phase written is the sum of the phases read: R = 0.950" in second
    assert "is mostly the sum of the phases read: R = 0.940" in told({"resultant": 0.94})[1]
    assert "is not simply the sum" in told({"resultant": 0.79})[1]
    assert "is not simply the sum" in told({"resultant": 0.94, "offset": 0.3})[1]
    first, second, *_ = told({"same": 8.0, "agreement": 8 / 9, "resultant": 0.4})
    assert first.startswith("Of the neurons that one frequency explains to 85 %, 8 of 9 write the frequency")
    assert "is not simply the sum" in second
    assert "is not simply the sum" in told({"offset": -1.0})[1]
    assert told({"agreement": None})[0].startswith("Not decided: in a seed no neuron is explained to 85 %")


def test_a_promise_that_was_not_kept_is_told() -> None:
    assert any("move the logits as promised: by up to 3" in sentence for sentence in told({}))
    assert any("NOT as promised" in sentence for sentence in told({}, {"error": 2e-4}))
    assert any(
        "explain at least 70.0 %" in sentence for sentence in told({"exact": 0.0, "promise_explained": 0.7})
    )
    unknown = " ".join(told({"exact": 0.0, "promise_explained": 0.7}, {"exact": 0.0}))
    assert "explain a share that is not known" in unknown


def test_a_promise_that_cannot_be_checked_is_not_called_kept() -> None:
    none = dict.fromkeys(("moved", "error", "error_stored", "relative_error", "promise_explained"))
    said = " ".join(told({}, none))
    assert "No neuron could be clamped in 1 of 2 seeds" in said
    assert "promised:" not in said
    assert "No neuron could be clamped" in " ".join(told(none | {"exact": 0.0}))
    single = " ".join(told({"error": None}))
    assert (
        "as promised: by up to 3, with an error of at most 2.0e-06 in the network's own precision" in single
    )
    assert "double" not in single
    assert "not decidedly as promised" in " ".join(told({"error": None, "error_stored": 1e-3}))


def test_what_cannot_be_copied_has_no_error_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.lab.lens.record.in_double", lambda model: None)
    one = opened(analytic_mlp("add", p=31, width=20))
    numbers = decode_network(one, None, Config(rotations=1000, clamped=3), 0).numbers
    assert numbers["error"] is None
    assert 0 < numbers["error_stored"] < 1e-4  # type: ignore[operator]
    silent_one = opened(edited(one.model, lambda weight: weight))
    with torch.no_grad():
        silent_one.model.embed.W_E.zero_()  # no neuron changes over the examples
    found = run_study("lens", [0], opened=silent_one, show_progress=False)
    assert found.records[0].numbers["moved"] is None
    assert "No neuron could be clamped" in " ".join(found.findings())


def test_the_others_are_told_with_what_random_neurons_cost() -> None:
    row = {"corrupted_random": 0.4, "test_random": 0.4}
    seeds = [row | {"corrupted_without": 0.05 + x, "test_without": 0.95 + x} for x in (0.0, 0.01, 0.02)]
    (sentence,) = [one for one in told(*seeds) if "Taking out" in one]
    assert (
        "costs more than taking out random ones, as many, on corrupted examples as labelled (-34 points)"
        in sentence
    )
    assert "costs less than it on held-out examples (+56 points)" in sentence
    seeds = [row | {"corrupted_without": x, "test_without": x} for x in (0.3, 0.4, 0.5)]
    (sentence,) = [one for one in told(*seeds) if "Taking out" in one]
    assert sentence.count("is not decided to differ from") == 2
    assert not [one for one in told({}) if "Taking out" in one]


def test_the_past_is_told_where_it_is_known() -> None:
    past = {"cosine": 0.99, "cosine_others": 0.01, "settled": 20.0, "learnt": 200.0, "settled_by_learnt": 0.9}
    sentences = told(past)
    assert "a cosine of 0.990, those of two different neurons 0.010" in sentences[-2]
    assert "90 % of the significant neurons wrote their last frequency by the time" in sentences[-1]
    assert "cosine" not in " ".join(told({}))


@pytest.mark.slow
@pytest.mark.skipif(not FILES.is_dir(), reason="no ../shared/checkpoints")
@pytest.mark.parametrize(
    ("name", "explained"),
    [
        ("nanda_low_precision_mod_addition.pth", 405),
        ("chughtai_C113_MLP_seed1.pt", 112),
        ("pizza_18c9ev5v5p.pt", 512),
        ("he_p23_quad/9800.pth", 55),
    ],
)
def test_strangers_neurons_write_what_they_read(name: str, explained: int) -> None:
    found = run_study("lens", [0], opened=load_checkpoint(FILES / name), show_progress=False)
    numbers = found.records[0].numbers
    assert numbers["explained"] == pytest.approx(explained, abs=3)
    assert numbers["same"] == numbers["explained"]
    assert numbers["chance"] < 0.5
    assert numbers["error"] <= 1e-4
    assert (found.records[0].curves["series"] is not None) == name.startswith("he")
