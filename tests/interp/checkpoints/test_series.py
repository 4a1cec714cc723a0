"""Folders of checkpoints: one run in order of its steps, or an error that names the runs or files there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interp.checkpoints.files import number_of
from interp.checkpoints.open import load_checkpoint, load_series
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.series import find_checkpoint, run_of, series_files
from interp.errors import CheckpointError
from interp.models import analytic_mlp


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    "names",
    [
        ("model_500.pt", "model_1000.pt"),
        ("mlp_p11-500.pt", "mlp_p11-1000.pt"),
        ("epoch=3-step=500.ckpt", "epoch=7-step=1000.ckpt"),
        ("val_loss=0.12-epoch=3.ckpt", "val_loss=0.05-epoch=20.ckpt"),
        ("seed1/checkpoint-500/a.pt", "seed1/checkpoint-1000/a.pt"),
    ],
)
def test_checkpoints_of_one_run_are_a_series(names: tuple[str, ...], tmp_path: Path) -> None:
    touch(tmp_path, *names)
    folder = tmp_path / "seed1" if "/" in names[0] else tmp_path
    assert [file.relative_to(tmp_path).as_posix() for file in series_files(folder)] == list(names)
    assert find_checkpoint(folder) == tmp_path / names[-1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("model_500.pt", "model_1000.pt", "model_ema_1000.pt"),
            r"'model' \(2, the last is model_1000\.pt\), 'model_ema' \(1, .*--weights model",
        ),
        (("A-10.pt", "A-20.pt", "B-30.pt"), r"several runs, by their names: 'a' \(2.*'b' \(1"),
        (("model_10.pt", "ema_30.pt"), "several runs"),
        (("p11_10.pt", "p13_20.pt"), "several runs"),
        (("lr1_step-5/a.pt", "lr2_step-9/a.pt"), "several runs"),
        (("seed1.pt", "seed2.pt"), "none numbered by a step"),
        (("model_p11.pt", "model_p13.pt"), "none numbered by a step"),
        (("lr1e-3.pt", "lr1e-4.pt"), "none numbered by a step"),
        (("wd0.1.pt", "wd0.5.pt"), "none numbered by a step"),
        (("model_7.pt", "model_007.pt"), r"two checkpoints of step 7, 'model_007\.pt' and 'model_7\.pt'"),
        (
            (
                "checkpoint-400/pytorch_model.bin",
                "checkpoint-800/pytorch_model.bin",
                "checkpoint-800/model.safetensors",
            ),
            r"checkpoint-800' holds several weights \('model\.safetensors', 'pytorch_model\.bin'\)",
        ),
        (
            ("checkpoint-400/model.bin", "checkpoint-400/adapter_model.bin", "checkpoint-800/model.bin"),
            r"checkpoint-400' holds several weights \('adapter_model\.bin', 'model\.bin'\)",
        ),
    ],
)
def test_several_runs_or_weights_are_listed_and_not_chosen_from(
    names: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(CheckpointError, match=message):
        find_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("choice", "last"),
    [("ema", "model_ema_800.pt"), ("raw", "model_1000.pt"), ("model", "model_1000.pt")],
)
def test_one_of_several_runs_can_be_named(choice: str, last: str, tmp_path: Path) -> None:
    touch(tmp_path, "model_500.pt", "model_1000.pt", "model_ema_400.pt", "model_ema_800.pt")
    assert find_checkpoint(tmp_path, choice) == tmp_path / last
    assert len(series_files(tmp_path, choice)) == 2
    with pytest.raises(CheckpointError, match="several runs"):
        find_checkpoint(tmp_path, "teacher")


def test_a_run_of_one_checkpoint_can_be_named(tmp_path: Path) -> None:
    touch(tmp_path, "model_500.pt", "model_1000.pt", "model_ema_1000.pt")
    assert find_checkpoint(tmp_path, "ema") == tmp_path / "model_ema_1000.pt"


def weights(seed: int) -> dict[str, torch.Tensor]:
    model = analytic_mlp("add", 7, 20, seed=seed)
    first = torch.cat([table.T for table in model.embed.W_E], dim=1).detach()
    return {"fc1.weight": first, "fc2.weight": model.unembed.weight.T.detach().contiguous()}


def test_the_named_run_is_opened_measured_and_the_other_named_as_not_used(tmp_path: Path) -> None:
    for name in ("net_5", "net_10", "net_ema_5", "net_ema_10"):
        torch.save(weights(len(name)), tmp_path / f"{name}.pt")
    (tmp_path / "checkpoint-3").mkdir()
    opened = load_checkpoint(tmp_path, weights="ema")
    assert opened.path == tmp_path / "net_ema_10.pt"
    notes = "\n".join(opened.notes)
    assert "not used, as they are of another run: net_10.pt, net_5.pt" in notes
    assert "not used, as weights lie beside them: checkpoint-3" in notes
    options = OpenOptions(weights="raw")
    assert [one.path for one in load_series(tmp_path, options)] == [
        tmp_path / "net_5.pt",
        tmp_path / "net_10.pt",
    ]


def test_a_steps_folder_without_weights_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-800").mkdir()
    (tmp_path / "checkpoint-400").mkdir()
    torch.save(weights(0), tmp_path / "checkpoint-400" / "model.pt")
    notes = load_checkpoint(tmp_path).notes
    assert "not used, as they hold no weights or are of another run: checkpoint-800" in notes


def test_a_file_named_as_the_choice_holds_what_was_asked_for(tmp_path: Path) -> None:
    torch.save(weights(0), tmp_path / "net_ema.pt")
    torch.save({"model": weights(0), "averaged": weights(1)}, tmp_path / "raw.pt")
    assert load_checkpoint(tmp_path / "net_ema.pt", weights="ema").path is not None
    for file, choice in (("net_ema.pt", "raw"), ("net_ema.pt", "teacher"), ("raw.pt", "net")):
        with pytest.raises(CheckpointError, match=f"holds no weights named '{choice}'"):
            load_checkpoint(tmp_path / file, weights=choice)


def test_a_json_beside_several_weights_means_none_of_them(tmp_path: Path) -> None:
    touch(tmp_path, "net.json", "net.pt", "net.safetensors")
    with pytest.raises(CheckpointError, match=r"'net\.safetensors', 'net\.pt' lie beside .*name one"):
        find_checkpoint(tmp_path / "net.json")


def test_names_of_runs_and_numbers_of_files() -> None:
    assert [run_of(one) for one in ("ckpt_5", "A-10", "model.500", "Net-7")] == ["ckpt", "a", "model", "net"]
    numbers = {"model7": 7, "epoch=3-step=40": 40, "v3": None, "1e-3": None, "acc_0.97": None, "step_p": None}
    assert {name: number_of(Path(f"{name}.pt")) for name in numbers} == numbers
