"""The choice between a language model and a classifier."""

from pathlib import Path

import pytest

from interp.checkpoints.options import OpenOptions
from interp.cli.language import check_kind, refuse_other, shown_source
from interp.errors import ConfigError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    return folder


def test_a_transformer_without_a_tokenizer_may_be_a_classifier(model: Path) -> None:
    check_kind(model, None, OpenOptions(), None)
    (model / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="give the texts"):
        check_kind(model, None, OpenOptions(), None)
    check_kind(model, None, OpenOptions(task="add", p=7), None)
    check_kind(model, None, OpenOptions(), "blocks.0.mlp.hook_post")


def test_options_that_are_left_out_are_not_refused() -> None:
    refuse_other(Path("a.txt"), {"heads": True}, {"min_share": None, "most": None})
    refuse_other(None, {"heads": None, "methods": None, "shares": ()}, {"min_share": 0.2})
    with pytest.raises(ConfigError, match="--relearn-lr is for classifiers"):
        refuse_other(Path("a.txt"), {}, {"relearn_lr": 0.0})


def test_names_on_the_hub_are_shown_with_both_slashes() -> None:
    assert shown_source(Path("hf://a/b")) == "hf://a/b"
    assert shown_source(Path("runs/r0")) == "runs/r0"
