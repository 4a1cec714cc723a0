"""Training: what is learnt, what is stored, and that no interruption changes the result."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from interp.checkpoints import checkpoint_files, training_history
from interp.checkpoints.files import RESUME
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask
from interp.errors import CheckpointError, ConfigError
from interp.measuring.evaluation import evaluate
from interp.models import HookedMLP, MLPConfig
from interp.training import TrainConfig, train

TASK = ModularTask("add", p=11, train_fraction=0.6, corrupt_fraction=0.3, seed=1)
VARIANTS = {
    "full batch": (MLPConfig(width=16), {}),
    "mini-batches, dropout, batch norm": (MLPConfig(width=16, dropout=0.3, norm="batch"), {"batch_size": 16}),
    "sgd, warm-up, cross-entropy, three layers": (
        MLPConfig(width=16, depth=3, activation="relu", bias=True),
        {"optimizer": "sgd", "warmup": 7, "loss": "cross_entropy", "lr": 0.05},
    ),
}


def same_weights(a: Path, b: Path) -> bool:
    first, second = load_file(a), load_file(b)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def quietly(model: MLPConfig, out: Path | None = None, **settings: object) -> HookedMLP:
    resume = bool(settings.pop("resume", False))
    return train(TASK, model, TrainConfig(**settings), out=out, resume=resume, show_progress=False).model


def test_the_loss_falls_and_the_training_set_is_learnt() -> None:
    result = train(TASK, MLPConfig(width=64), TrainConfig(steps=150), show_progress=False)
    losses = [record["loss"] for record in result.history]
    assert losses[-1] < 0.2 * losses[0]
    assert evaluate(result.model, TASK).accuracy.train > 0.95
    assert result.history[-1]["accuracy"]["train"] == evaluate(result.model, TASK).accuracy.train


def test_a_full_batch_adamw_step_is_the_textbook_one() -> None:
    """Against an update written out by hand: gradient of the mean squared error, Adam moments, decoupled decay."""
    config, data = TrainConfig(steps=1, lr=0.02, weight_decay=3.0), TASK.dataset
    before = HookedMLP(MLPConfig(width=8), vocab=11, seed=0)
    after = quietly(MLPConfig(width=8), steps=1, lr=0.02, weight_decay=3.0)
    one_hot = torch.nn.functional.one_hot(data.labels[data.train], 11).double()
    a, b = data.inputs[data.train].T
    u, v, w = (x.detach().double().requires_grad_() for x in (*before.embed.W_E, before.unembed.weight))
    loss = (((u[a] + v[b]) ** 2 @ w - one_hot) ** 2).mean()
    gradients = torch.autograd.grad(loss, [u, v, w])
    for old, gradient, new in zip(
        (u, v, w), gradients, (*after.embed.W_E, after.unembed.weight), strict=True
    ):
        step = gradient / (gradient.abs() + 1e-8)  # bias-corrected first step: moments equal g and g²
        wanted = old * (1 - config.lr * config.weight_decay) - config.lr * step
        torch.testing.assert_close(new.double(), wanted, atol=2e-5, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_seeds_give_equal_weights_and_others_do_not(variant: str) -> None:
    model, settings = VARIANTS[variant]
    a, b, c = (quietly(model, steps=6, seed=seed, **settings) for seed in (5, 5, 6))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.unembed.weight, c.unembed.weight)


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    quietly(MLPConfig(width=4, dropout=0.5), steps=2, batch_size=8)
    assert torch.equal(torch.rand(1), wanted)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_resumed_run_ends_with_the_same_bits(variant: str, tmp_path: Path) -> None:
    model, settings = VARIANTS[variant]
    quietly(model, tmp_path / "whole", steps=23, save_every=5, **settings)
    quietly(model, tmp_path / "parts", steps=8, save_every=5, **settings)
    quietly(model, tmp_path / "parts", steps=14, save_every=5, resume=True, **settings)
    quietly(model, tmp_path / "parts", steps=23, save_every=5, resume=True, **settings)
    whole, parts = (checkpoint_files(tmp_path / name)[-1] for name in ("whole", "parts"))
    assert whole.name == parts.name == "step-00000023.safetensors"
    assert same_weights(whole, parts)
    assert same_weights(whole.with_name(RESUME), parts.with_name(RESUME))


def test_the_series_holds_what_a_reader_needs(tmp_path: Path) -> None:
    quietly(MLPConfig(width=4), tmp_path, steps=5, save_every=2)
    assert [f.stem for f in checkpoint_files(tmp_path)] == [f"step-{i:08d}" for i in (0, 2, 4, 5)]
    settings = json.loads((tmp_path / "step-00000004.json").read_text())
    assert {"version", "step", "model", "task", "training", "metrics"} <= settings.keys()
    assert settings["metrics"]["accuracy"].keys() >= {"train", "test", "corrupted_as_labelled"}
    opened = load_checkpoint(tmp_path)
    assert opened.step == 5
    assert (
        evaluate(opened.model, opened.task).accuracy.to_dict() == training_history(tmp_path)[-1]["accuracy"]
    )


def test_zero_steps_save_the_untrained_network(tmp_path: Path) -> None:
    quietly(MLPConfig(width=4), tmp_path, steps=0, seed=3)
    fresh = HookedMLP(MLPConfig(width=4), vocab=11, seed=3)
    assert torch.equal(load_checkpoint(tmp_path).model.unembed.weight, fresh.unembed.weight)


def test_an_existing_series_is_not_overwritten_nor_mixed(tmp_path: Path) -> None:
    quietly(MLPConfig(width=4), tmp_path, steps=2)
    before = sorted((f.name, f.stat().st_mtime_ns) for f in tmp_path.iterdir())
    with pytest.raises(ConfigError, match="already holds checkpoints; resume=True continues"):
        quietly(MLPConfig(width=4), tmp_path, steps=2)
    with pytest.raises(ConfigError, match=r"lr=0.01, not 0.5"):
        quietly(MLPConfig(width=4), tmp_path, steps=2, lr=0.5, resume=True)
    with pytest.raises(ConfigError, match="at step 2 already, beyond the 1"):
        quietly(MLPConfig(width=4), tmp_path, steps=1, resume=True)
    assert before == sorted((f.name, f.stat().st_mtime_ns) for f in tmp_path.iterdir())


def test_a_series_without_its_state_is_not_continued_by_another_run(tmp_path: Path) -> None:
    quietly(MLPConfig(width=4), tmp_path, steps=4, save_every=2)
    (tmp_path / RESUME).unlink()
    with pytest.raises(CheckpointError, match=r"is missing, so the series .* cannot be continued"):
        quietly(MLPConfig(width=4), tmp_path, steps=2, lr=0.5, resume=True)
    assert load_checkpoint(tmp_path).step == 4


def test_foreign_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    quietly(MLPConfig(width=4), tmp_path, steps=2)
    (tmp_path / "step-final.safetensors").write_bytes(b"mine")
    quietly(MLPConfig(width=4), tmp_path, steps=4, resume=True)
    assert load_checkpoint(tmp_path).step == 4
    assert (tmp_path / "step-final.safetensors").read_bytes() == b"mine"


def test_batch_norm_never_sees_a_batch_of_one() -> None:
    task = ModularTask("add", p=5, train_fraction=0.52)  # 13 examples in batches of 12
    config = TrainConfig(steps=5, batch_size=12)
    assert train(task, MLPConfig(width=8, norm="batch"), config, show_progress=False).step == 5


def test_divergence_stops_the_run_and_keeps_its_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="training diverged; try a learning rate below"):
        quietly(MLPConfig(width=16), tmp_path, steps=200, lr=1e6, optimizer="sgd", save_every=1, log_every=1)
    assert load_checkpoint(tmp_path).step is not None


@pytest.mark.parametrize(
    "setting", [{"lr": 0}, {"steps": -1}, {"optimizer": "adam"}, {"loss": "nll"}, {"log_every": 0}]
)
def test_impossible_settings_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TrainConfig(**setting)


KILLS = 6
COMMAND = [sys.executable, "-m", "interp.cli", "train", "--p", "23", "--width", "40", "--corrupt", "0.3"]
COMMAND += ["--norm", "batch", "--batch-size", "64", "--steps", "300", "--save-every", "10"]


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_same_bits(tmp_path: Path) -> None:
    subprocess.run([*COMMAND, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    moments, parts = random.Random(0), tmp_path / "parts"
    for _ in range(KILLS):
        stored = len(checkpoint_files(parts))
        process = subprocess.Popen([*COMMAND, "--out", str(parts)], stderr=subprocess.DEVNULL)
        while len(checkpoint_files(parts)) <= stored and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.05))
        assert process.poll() is None, "the run ended before it could be killed"
        process.kill()
        process.wait()
        assert load_checkpoint(parts).step is not None
    subprocess.run([*COMMAND, "--out", str(parts)], check=True, capture_output=True)
    names = [f.name for f in checkpoint_files(tmp_path / "whole")]
    assert names == [f.name for f in checkpoint_files(tmp_path / "parts")]
    for name in names:
        assert same_weights(tmp_path / "whole" / name, tmp_path / "parts" / name)


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint_that_resumes(tmp_path: Path) -> None:
    command = [*COMMAND, "--steps", "100000", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not checkpoint_files(tmp_path)[2:]:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped at step" in errors
    assert "Traceback" not in errors
    step = load_checkpoint(tmp_path).step
    assert step == int(errors.split("stopped at step ")[1].split()[0])
    resumed = subprocess.run(
        [*COMMAND, "--steps", str(step + 5), "--out", str(tmp_path)], capture_output=True
    )
    assert resumed.returncode == 0
    assert load_checkpoint(tmp_path).step == step + 5
