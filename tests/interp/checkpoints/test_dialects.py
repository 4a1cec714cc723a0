"""The list of dialects, and files that fit several or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign import draw, output_first, stored, transformer, version_2, version_4
from typer.testing import CliRunner

import interp.checkpoints.dialects as package
from interp.checkpoints.options import OpenOptions
from interp.checkpoints.select import dialects, readings_of
from interp.cli import app
from interp.errors import CheckpointError, ConfigError

NET = transformer(vocab=8, n_ctx=3, n_outputs=7)
SAME = transformer(vocab=8, n_ctx=3, n_outputs=8)
FILES = {
    "doshi": draw(0, **{"fc1.weight": (9, 14), "fc2.weight": (7, 9)}),
    "he": draw(0, **{"mlp.W_in": (9, 7), "mlp.W_out": (7, 9)}),
    "chughtai": draw(0, W_x=(7, 5), W_y=(7, 5), W=(10, 9), W_U=(9, 7)),
    "chughtai transformer": version_2(NET) | {"x_embed": NET["E"], "y_embed": NET["E"]},
    "nanda zhong": output_first(SAME),
    "zhong": output_first(transformer(vocab=7, n_ctx=2, n_outputs=7)),
    "zhong linear": draw(
        0, **{"embed.weight": (7, 4), "l1.weight": (9, 8), "l1.bias": (9,), "unembed.weight": (7, 9)}
    ),
    "transformer_lens": version_2(NET),
    "transformer_lens 4": version_4(NET),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_in_its_own_dialects_only(name: str) -> None:
    found = readings_of(stored(FILES[name]), OpenOptions())
    own = [part for part in name.split() if part in {dialect.name for dialect in dialects()}]
    assert list(dict.fromkeys(reading.dialect for reading in found)) == own
    assert len({reading.description for reading in found}) == len(found) <= 12
    for dialect in dialects():
        options = OpenOptions(dialect=dialect.name)
        if dialect.name in own:
            again = readings_of(stored(FILES[name]), options)
            assert [r.description for r in again] == [
                r.description for r in found if r.dialect == dialect.name
            ]
        else:
            with pytest.raises(CheckpointError, match=f"is not in the dialect '{dialect.name}': "):
                readings_of(stored(FILES[name]), options)


@pytest.mark.parametrize("name", FILES)
def test_a_tensor_too_many_or_too_few_is_never_passed_over(name: str) -> None:
    file = FILES[name]
    optional = {"mask", "IGNORE", "b_in", "b_out"}
    broken = [file | {"more.weight": np.ones((2, 2))}]
    broken += [
        {n: array for n, array in file.items() if n != left_out}
        for left_out in file
        if left_out.rsplit(".", 1)[-1] not in optional
    ]
    for tensors in broken:
        with pytest.raises(CheckpointError, match="fits no"):
            readings_of(stored(tensors), OpenOptions())


def test_what_was_found_and_looked_for_is_said() -> None:
    file = stored({f"layer{i}": np.zeros((i + 1, 2)) for i in range(9)}, path="some/where.pt")
    with pytest.raises(CheckpointError) as error:
        readings_of(file, OpenOptions())
    text = str(error.value)
    assert "'some/where.pt' fits no" in text
    assert "doshi, he, chughtai, nanda, zhong, transformer_lens" in text
    assert "; it holds layer0 (1, 2), layer1 (2, 2), " in text
    assert "and 3 more" in text
    assert "layer6" not in text
    assert "'grokscope dialects' shows what each looks for" in text
    assert "--model file.py:build" in text


def test_an_unknown_dialect_or_activation_is_an_error() -> None:
    with pytest.raises(ConfigError, match="unknown dialect 'klingon'; expected one of 'chughtai', 'doshi'"):
        readings_of(stored(FILES["he"]), OpenOptions(dialect="klingon"))
    for name, file in FILES.items():
        with pytest.raises(ConfigError, match="unknown activation 'sine'"):
            readings_of(stored(file), OpenOptions(activation="sine"))
        assert all(
            "relu" in r.description for r in readings_of(stored(file), OpenOptions(activation="relu"))
        ), name


def test_every_dialect_is_described() -> None:
    assert len({dialect.name for dialect in dialects()}) == len(dialects()) == 6
    for dialect in dialects():
        assert dialect.summary
        assert dialect.reference.startswith(("arXiv ", "https://"))
        keys = "; or ".join(map(str, dialect.layouts))
        assert "\n" not in keys
        assert keys.count("(") > 2


OWN = """
from interp.checkpoints.dialect import Dialect
from interp.checkpoints.layouts import Layout
from interp.checkpoints.builders import mlp_readings

LAYOUT = Layout({"first": "2 p N", "last": "N p"})

def readings(file):
    _, sizes = file.fit(LAYOUT)
    weights = {"embed.W_E": file.tensors["first"], "unembed.W_U": file.tensors["last"]}
    return mlp_readings(file, weights, p=sizes["p"], activation=file.activation("tanh"))

DIALECT = Dialect("ours", 15, "MLP of ours", "arXiv 0000.00000", (LAYOUT,), readings)
"""


def test_a_dialect_is_one_file_in_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(OWN.replace('"2 p N"', '"t p N"'))
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    assert [dialect.name for dialect in dialects()][:3] == ["doshi", "ours", "he"]
    file = stored(draw(0, first=(2, 7, 9), last=(9, 7)))
    (reading,) = readings_of(file, OpenOptions(dialect="ours"))
    assert reading.description == "ours: tanh MLP of 2 layers"
    assert [one.dialect for one in readings_of(file, OpenOptions())] == ["ours"]
    listed = CliRunner().invoke(app, ["dialects"], catch_exceptions=False).output
    assert "MLP of ours (arXiv 0000.00000)" in listed


def test_a_dialect_has_the_name_of_its_file() -> None:
    assert sorted(dialect.name for dialect in dialects()) == package.dialect_names()
    assert len({dialect.rank for dialect in dialects()}) == len(dialects())
