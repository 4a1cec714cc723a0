"""Networks that are trained together learn what they would learn alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interp.checkpoints import checkpoint_files
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.models import HookedMLP, MLPConfig, TransformerConfig
from interp.training import MLPStack, TrainConfig, TrainingRun, prepare, train, train_together

SHAPES = {
    "the paper's": (MLPConfig(width=24), {}),
    "deep, ReLU, biases, layer norm": (
        MLPConfig(width=16, depth=3, activation="relu", bias=True, norm="layer"),
        {"loss": "cross_entropy"},
    ),
    "mini-batches, batch norm, warm-up": (MLPConfig(width=20, norm="batch"), {"batch_size": 16, "warmup": 5}),
    "dropout": (MLPConfig(width=20, dropout=0.4), {}),
    "tied, SGD": (MLPConfig(width=20, tied=True), {"optimizer": "sgd", "lr": 0.1}),
}
STEPS = 25


def tasks(n: int = 3) -> list[ModularTask]:
    return [ModularTask("add", p=11, train_fraction=0.6, corrupt_fraction=0.1 * i, seed=i) for i in range(n)]


def configs(n: int = 3, **options: object) -> list[TrainConfig]:
    settings = {"steps": STEPS, "save_every": 10, "log_every": 5, **options}
    return [TrainConfig(seed=i, weight_decay=2.0 * i, **settings) for i in range(n)]


@pytest.mark.parametrize("name", SHAPES)
def test_together_equals_alone(name: str) -> None:
    shape, options = SHAPES[name]
    runs = [prepare(t, shape, c) for t, c in zip(tasks(), configs(**options), strict=True)]
    together = train_together(runs)
    for result, task, config in zip(together, tasks(), configs(**options), strict=True):
        alone = train(task, shape, config, show_progress=False)
        start = HookedMLP(shape, vocab=11, seed=config.seed)
        for key, tensor in alone.model.state_dict().items():
            assert torch.allclose(result.model.state_dict()[key], tensor, atol=2e-5), key
        assert not torch.equal(alone.model.embed.W_E, start.embed.W_E)
        assert [record["step"] for record in result.history] == [record["step"] for record in alone.history]
        assert result.history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], rel=1e-4)


def test_networks_of_a_stack_keep_their_names_and_can_be_hooked() -> None:
    models = [HookedMLP(MLPConfig(width=8), vocab=5, seed=seed) for seed in range(3)]
    inputs = torch.randint(5, (3, 7, 2), generator=torch.Generator().manual_seed(0))
    before = [model(own) for model, own in zip(models, inputs, strict=True)]
    stack = MLPStack(models)
    assert torch.allclose(stack(inputs), torch.stack(before), atol=1e-6)
    with torch.no_grad():
        stack.parameters["embed.W_E"].mul_(2)
    assert torch.allclose(models[1](inputs[1]), 4 * before[1], atol=1e-5)
    stack.release()
    with torch.no_grad():
        stack.parameters["embed.W_E"].zero_()
    assert torch.allclose(models[1](inputs[1]), 4 * before[1], atol=1e-5)


def test_a_run_that_ends_early_leaves_the_others_as_they_would_be() -> None:
    def until(history: object) -> bool:
        return history[-1]["step"] >= 10

    shape = MLPConfig(width=20)
    runs = [
        prepare(task, shape, config, until=until if i == 1 else None)
        for i, (task, config) in enumerate(zip(tasks(), configs(), strict=True))
    ]
    results = train_together(runs)
    assert [result.step for result in results] == [STEPS, 10, STEPS]
    alone = train(tasks()[2], shape, configs()[2], show_progress=False)
    assert torch.allclose(results[2].model.embed.W_E, alone.model.embed.W_E, atol=2e-5)


def test_a_series_that_was_made_together_goes_on_alone(tmp_path: Path) -> None:
    shape = MLPConfig(width=20, dropout=0.2)
    folders = [tmp_path / str(i) for i in range(3)]

    def begun(steps: int) -> list[TrainingRun]:
        return [
            prepare(task, shape, config, out=folder, resume=True)
            for task, config, folder in zip(tasks(), configs(steps=steps), folders, strict=True)
        ]

    train_together(begun(10))
    assert [file.stem for file in checkpoint_files(folders[1])] == ["step-00000000", "step-00000010"]
    alone = train(tasks()[1], shape, configs()[1], out=folders[1], resume=True, show_progress=False)
    together = train_together(begun(STEPS))  # one of them has ended, the others are at step 10
    whole = train(tasks()[1], shape, configs()[1], show_progress=False)
    assert torch.allclose(alone.model.embed.W_E, whole.model.embed.W_E, atol=2e-5)
    assert [result.step for result in together] == [STEPS] * 3
    stored = load_checkpoint(folders[2]).model
    assert torch.equal(stored.embed.W_E, together[2].model.embed.W_E)


def test_what_cannot_be_trained_together_is_refused() -> None:
    task = tasks()[0]
    wide, narrow = (prepare(task, MLPConfig(width=w), TrainConfig(steps=2)) for w in (8, 9))
    with pytest.raises(ConfigError, match="width is 8 in one and 9 in another"):
        train_together([wide, narrow])
    with pytest.raises(ConfigError, match=r"lr is 0\.01 in one and 0\.02 in another"):
        train_together([wide, prepare(task, MLPConfig(width=8), TrainConfig(steps=2, lr=0.02))])
    fewer = prepare(ModularTask("add", p=11, train_fraction=0.3), MLPConfig(width=8), TrainConfig(steps=2))
    with pytest.raises(ConfigError, match="training examples is 60 in one and 36 in another"):
        train_together([prepare(ModularTask("add", p=11), MLPConfig(width=8), TrainConfig(steps=2)), fewer])
    transformer = prepare(
        task, TransformerConfig(d_model=8, n_heads=1, d_head=8, d_mlp=8), TrainConfig(steps=2)
    )
    with pytest.raises(ConfigError, match="SmallTransformer cannot be trained together"):
        train_together([transformer, transformer])
