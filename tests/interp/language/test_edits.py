"""Edited checkpoints, which transformers opens."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from language_models import ARCHITECTURES, real_model, saved, tiny

from interp.errors import ConfigError
from interp.language.edits import gates_without, save_language_model
from interp.language.gates import gated
from interp.language.opening import open_language_model

IDS = torch.tensor([[3, 1, 4, 1, 5], [2, 7, 1, 8, 2]])
MASK = torch.ones_like(IDS, dtype=torch.bool)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_a_saved_checkpoint_opens_in_transformers_with_the_gated_logits(
    architecture: str, tmp_path: Path
) -> None:
    model = open_language_model(tiny(architecture))
    gates = gates_without(model, [1, 40]) | gates_without(model, [2], kind="heads")
    folder = save_language_model(model, tmp_path / "deep" / "edited", gates)
    with gated(model, gates):
        expected = model.logits(model.hidden(IDS, MASK))
    again = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert torch.allclose(again(IDS).logits, expected, atol=1e-5)
    ours = open_language_model(folder)
    assert torch.allclose(ours.logits(ours.hidden(IDS, MASK)), expected, atol=1e-5)
    assert os.listdir(folder.parent) == ["edited"]


def test_the_tokenizer_is_saved_too_and_a_folder_is_not_replaced_unasked(tmp_path: Path) -> None:
    model = open_language_model(saved(tmp_path / "model", tokenizer=True))
    place = tmp_path / "edited"
    place.mkdir()
    save_language_model(model, place)
    assert open_language_model(place).tokenizer("the cat")["input_ids"] == [1, 2]
    with pytest.raises(ConfigError, match="is there already"):
        save_language_model(model, place)
    save_language_model(model, place, force=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        save_language_model(model, tmp_path / "file", force=True)
    with pytest.raises(ConfigError):
        save_language_model(model, tmp_path / "file" / "below")


@pytest.mark.slow
@torch.no_grad()
def test_gates_equal_edited_weights_in_the_real_model(tmp_path: Path) -> None:
    """Acceptance 5 of memory in language models."""
    model = open_language_model(real_model())
    rng = np.random.default_rng(0)
    gates = gates_without(model, rng.choice(46_080, 230, replace=False))
    gates |= gates_without(model, [5, 200], kind="heads")
    ids = torch.tensor(
        [model.tokenizer("Four score and seven years ago our fathers brought forth")["input_ids"]]
    )
    mask = torch.ones_like(ids, dtype=torch.bool)
    with gated(model, gates):
        expected = model.logits(model.hidden(ids, mask))
    again = transformers.AutoModelForCausalLM.from_pretrained(
        save_language_model(model, tmp_path / "edited", gates)
    )
    assert float((again(ids).logits - expected).abs().max()) < 1e-4


def test_a_folder_that_is_no_model_is_never_replaced(tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    model = open_language_model(tiny())
    with pytest.raises(ConfigError, match="no model to replace"):
        save_language_model(model, folder, force=True)
    assert (folder / "thesis.txt").read_text() == "years of work"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(ConfigError, match="a link"):
        save_language_model(model, link)


def test_the_folder_that_one_is_in_is_never_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="the folder that you are in"):
        save_language_model(open_language_model(tiny()), ".")
