"""Tables of more than two columns for transformers: all columns are read, or an error names the option that decides."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch

from interp.checkpoints import save_checkpoint
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask
from interp.errors import ConfigError
from interp.measuring.evaluation import accuracy
from interp.models import SmallTransformer, TransformerConfig
from interp.models.prompt import Prompt

P, START, PLUS = 5, 5, 6


def copier(n_positions: int = 4, n_outputs: int = P) -> dict[str, torch.Tensor]:
    """A state dict of TransformerLens whose answer is its last token: attention writes nothing."""
    generator = torch.Generator().manual_seed(0)
    small = {f"blocks.0.attn.W_{c}": torch.randn(1, 8, 8, generator=generator) / 10 for c in "QKV"}
    return small | {
        "embed.W_E": torch.eye(8),
        "pos_embed.W_pos": torch.zeros(n_positions, 8),
        "unembed.W_U": torch.eye(8)[:, :n_outputs] * 20,
        "unembed.b_U": torch.zeros(n_outputs),
        "blocks.0.attn.W_O": torch.zeros(1, 8, 8),
        "blocks.0.mlp.W_in": torch.randn(8, 16, generator=generator) / 10,
        "blocks.0.mlp.b_in": torch.zeros(16),
        "blocks.0.mlp.W_out": torch.randn(16, 8, generator=generator) / 100,
        "blocks.0.mlp.b_out": torch.zeros(8),
    }


def saved(folder: Path, *columns: int, n_positions: int = 4, n_outputs: int = P) -> tuple[Path, Path]:
    """The network, and a table with these columns of start, a, plus, b."""
    torch.save(copier(n_positions, n_outputs), folder / "copy.pt")
    rows = [(START, a, PLUS, b) for a, b in product(range(P), repeat=2)]
    lines = [",".join([*(str(row[i]) for i in columns), str(row[3])]) for row in rows]
    header = ",".join([*(f"t{i}" for i in columns), "label"])
    (folder / "prompts.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder / "copy.pt", folder / "prompts.csv"


def test_all_columns_are_the_prompt(tmp_path: Path) -> None:
    file, table = saved(tmp_path, 0, 1, 2, 3)
    opened = load_checkpoint(file, table=table)
    assert accuracy(opened.model, opened.task).all == 1.0
    assert str(opened.model.prompt) == "a b c d"


def test_all_outputs_are_classes(tmp_path: Path) -> None:
    file, table = saved(tmp_path, 0, 1, 2, 3, n_outputs=8)
    opened = load_checkpoint(file, table=table)
    assert opened.task.dataset.n_classes == 8
    assert accuracy(opened.model, opened.task).all == 1.0
    assert any("the network has 8 outputs, all of which are used" in note for note in opened.notes)


def test_what_the_user_says_is_read(tmp_path: Path) -> None:
    file, table = saved(tmp_path, 1, 2, 3)
    with pytest.raises(
        ConfigError, match="has 3 inputs, the reading uses 2, and the network has 4 positions"
    ):
        load_checkpoint(file, table=table)
    opened = load_checkpoint(file, table=table, tokens="5 a b c")
    assert accuracy(opened.model, opened.task).all == 1.0
    with pytest.raises(ConfigError, match="'5 a b' use 2 operands; the examples have 3"):
        load_checkpoint(file, table=table, tokens="5 a b")
    with pytest.raises(ConfigError, match="--tokens '5 5 a b c' are 5 tokens; the network has 4 positions"):
        load_checkpoint(file, table=table, tokens="5 5 a b c")


def test_two_columns_are_operands(tmp_path: Path) -> None:
    file, table = saved(tmp_path, 1, 3)
    plain = load_checkpoint(file, table=table)
    assert str(plain.model.prompt) == "a 5 b 6"
    opened = load_checkpoint(file, table=table, tokens="5 a 6 b")
    assert accuracy(opened.model, opened.task).all == 1.0
    assert str(load_checkpoint(file, tokens="5 a 6 b", task="add", p=P).model.prompt) == "5 a 6 b"


def test_measurements_are_no_tokens(tmp_path: Path) -> None:
    file, table = saved(tmp_path, 0, 1, 2, 3)
    table.write_text("a,b,c,d,label\n0.5,1,2,3,1\n")
    with pytest.raises(ConfigError, match="are measurements; this network reads tokens"):
        load_checkpoint(file, table=table)


def test_a_perceptron_reads_two_operands(tmp_path: Path) -> None:
    weights = {"mlp.W_in": torch.randn(9, P), "mlp.W_out": torch.randn(P, 9)}
    torch.save(weights, tmp_path / "run_relu.pth")
    _, table = saved(tmp_path, 0, 1, 2, 3)
    with pytest.raises(
        ConfigError, match="has 4 inputs, and this network, a perceptron, reads 2; leave out the other"
    ):
        load_checkpoint(tmp_path / "run_relu.pth", table=table)
    with pytest.raises(ConfigError, match="--tokens 'a b' was given, but this network is a perceptron"):
        load_checkpoint(tmp_path / "run_relu.pth", task="add", p=P, tokens="a b")


def test_a_native_network_does_not_leave_columns_out(tmp_path: Path) -> None:
    prompt = Prompt.parse("a b =", p=P)
    model = SmallTransformer(
        TransformerConfig(d_model=8, n_heads=1, d_mlp=8), vocab=8, n_outputs=P, prompt=prompt
    )
    file = save_checkpoint(tmp_path / "net", model, ModularTask("add", P))
    _, table = saved(tmp_path, 0, 1, 2, 3)
    with pytest.raises(ConfigError, match="use 2 operands; the examples have 4"):
        load_checkpoint(file, table=table)
