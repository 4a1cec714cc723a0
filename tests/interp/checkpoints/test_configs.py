"""Configuration beside a file: found under every name, never overridden by an assumption, read without running code."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign import output_first, transformer

from interp.audit import audit
from interp.checkpoints.configs import settings_beside
from interp.checkpoints.facts import levels, stated
from interp.checkpoints.open import load_checkpoint, load_series
from interp.checkpoints.options import OpenOptions
from interp.data import ModularTask
from interp.errors import CheckpointError, ConfigError
from interp.models import analytic_mlp

P = 7
SETTINGS = {"C": P, "act_fn": "ReLU", "funcs": "lambda x: (x[0]*x[1])%7", "attn_coeff": 0.25, "diff_vocab": 0}


def written(place: Path, content: dict[str, Any]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    lines = {
        ".json": json.dumps(content),
        ".yaml": "\n".join(f"{name}: {json.dumps(value)}" for name, value in content.items()),
        ".toml": "\n".join(f"{name} = {json.dumps(value)}" for name, value in content.items()),
    }
    place.write_text(lines[place.suffix.replace("yml", "yaml")])


def network(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the names of arXiv 2306.17844, whose coefficient they do not show."""
    arrays = output_first(transformer(vocab=P, n_ctx=2, n_outputs=P, seed=seed))
    return {name: torch.tensor(np.ascontiguousarray(array)) for name, array in arrays.items()}


def saved(place: Path, content: Any | None = None) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network() if content is None else content, place)
    return place


NAMES = [
    ("model_7f3.pt", "config_7f3.json"),
    ("model_7f3.pt", "7f3.json"),
    ("model_7f3.pt", "model_7f3.json"),
    ("model_7f3.pt", "model_7f3.yml"),
    ("model_7f3.pt", "7f3_config.toml"),
    ("7f3.pt", "cfg-7f3.json"),
    ("7f3.final.pt", "config_7f3.json"),
    ("7f3_step_100.pt", "config_7f3.json"),
    ("model.pt", "config.json"),
    ("model_7f3.pt", "cfg.json"),
    ("last.ckpt", "hparams.yaml"),
    ("model.pt", "train_args.json"),
    ("model.pt", "settings.toml"),
    ("checkpoints/last.ckpt", "hparams.yaml"),
    ("checkpoints/last.ckpt", ".hydra/config.yaml"),
    ("model.pt", ".hydra/config.yaml"),
    ("model_7f3.pt", "flags.json"),
    ("checkpoint-400/model.pt", "config.json"),
    ("7f3.pt", "something-else.json"),
]


@pytest.mark.parametrize(("weights", "config"), NAMES)
def test_a_configuration_of_any_name_is_used_and_named(weights: str, config: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "run" / weights)
    written(tmp_path / "run" / config, SETTINGS)
    opened = load_checkpoint(path)
    assert opened.model.to_dict()["attn_coeff"] == 0.25
    assert opened.model.to_dict()["activation"] == "relu"
    assert (opened.task.operation, opened.task.p) == ("multiply", P)
    name = os.path.relpath(config, os.path.dirname(weights) or ".")
    (note,) = (note for note in opened.notes if note.startswith("settings: "))
    assert note.startswith(f"settings: {name!r} beside the file says act_fn=ReLU, ")
    assert not any(note.startswith(("assumed", "attn_coeff")) for note in opened.notes)


def test_settings_inside_the_file_count_as_much(tmp_path: Path) -> None:
    for name in ("hyper_parameters", "config", "args"):
        opened = load_checkpoint(saved(tmp_path / "a.ckpt", {"state_dict": network(), name: SETTINGS}))
        assert opened.model.to_dict()["attn_coeff"] == 0.25
        assert opened.task.operation == "multiply"


@pytest.mark.parametrize(
    "config", ["config_other.json", "generation_config.json", "history.json", ".config.json"]
)
def test_the_configuration_of_others_is_left_alone(config: str, tmp_path: Path) -> None:
    saved(tmp_path / "model_other.pt")
    written(tmp_path / config, SETTINGS)
    settings, notes = settings_beside(saved(tmp_path / "model_7f3.pt"))
    assert settings == {}
    unused = f"not used, as nothing says that they belong to 'model_7f3.pt': {config!r} (act_fn=ReLU)"
    assert notes == ([unused] if config.startswith("generation") else [])


def test_the_nearest_decides_and_disagreement_is_noted(tmp_path: Path) -> None:
    path = saved(tmp_path / "model_7f3.pt", {"model": network(), "attn_coeff": 1.0})
    written(tmp_path / "config_7f3.json", SETTINGS)
    written(tmp_path / "config.json", {"attn_coeff": 0.75, "batch_size": 5})
    opened = load_checkpoint(path)
    assert opened.model.to_dict()["attn_coeff"] == 0.25
    notes = "\n".join(opened.notes)
    assert "'config_7f3.json' says attn_coeff=0.25, 'config.json' 0.75; the first is used" in notes
    assert "the configuration beside the file says attn_coeff=0.25, the file 1.0; the first is used" in notes
    assert opened.settings["beside"]["batch_size"] == 5


@pytest.mark.parametrize(
    "beside",
    [
        {"group": "AlternatingGroup"},
        {"group": {"value": "DihedralGroup", "desc": None}},
        {"fn_name": "x2xyy2"},
        {"task": "sort"},
        {"op": "add", "group": "quaternion"},
        {"train": {"data": {"operation": "max"}}},
        {"operation": ["xor"]},
    ],
)
def test_an_operation_that_is_not_known_is_an_error_and_never_addition(
    beside: dict[str, Any], tmp_path: Path
) -> None:
    weights = {"fc1.weight": torch.ones(9, 2 * P), "fc2.weight": torch.ones(P, 9)}
    path = saved(tmp_path / "net.pt", weights)
    written(tmp_path / "cfg.json", beside)
    with pytest.raises(CheckpointError, match=r"net\.pt' say .*no operation .*--task.*--table"):
        load_checkpoint(path)
    opened = load_checkpoint(path, task="subtract")
    assert opened.task.operation == "subtract"
    assert any("operation=subtract was given; the file's settings say" in note for note in opened.notes)


def test_two_operations_are_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", {"fc1.weight": torch.ones(9, 2 * P), "fc2.weight": torch.ones(P, 9)})
    written(tmp_path / "cfg.json", {"fn_name": "add", "operation": "multiplication"})
    with pytest.raises(CheckpointError, match=r"more than one operation \(multiply and add\)"):
        load_checkpoint(path)


@pytest.mark.parametrize("beside", [{"task": "grokking"}, {"dataset": "data/all.csv"}, {"group": None}])
def test_what_names_no_operation_is_no_error(beside: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", {"fc1.weight": torch.ones(9, 2 * P), "fc2.weight": torch.ones(P, 9)})
    written(tmp_path / "cfg.json", beside)
    assert load_checkpoint(path).task.operation == "add"


@pytest.mark.parametrize("coefficient", ["often", 1.5, True, [0.5], float("nan")])
def test_a_coefficient_that_is_none_is_an_error(coefficient: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt")
    written(tmp_path / "net.json", {"attn_coeff": coefficient})
    with pytest.raises(CheckpointError, match=r"say attn_coeff=.*expected a number from 0 to 1"):
        load_checkpoint(path)
    assert load_checkpoint(path, attn_coeff=0.5).model.to_dict()["attn_coeff"] == 0.5


def test_an_own_module_has_the_task_that_its_settings_state(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def build(): return nn.Sequential(nn.Embedding(7, 6), nn.Flatten(), "
        "nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 7))"
    )
    space: dict[str, Any] = {}
    exec((tmp_path / "net.py").read_text(), space)
    path = saved(tmp_path / "own.pt", space["build"]().state_dict())
    written(tmp_path / "hparams.yaml", {"p": 7, "operation": "x*y"})
    options = OpenOptions(model=f"{tmp_path}/net.py:build", sites=("4:input",))
    opened = load_checkpoint(path, options)
    assert (opened.task.operation, opened.task.p) == ("multiply", 7)
    assert "the task is multiply modulo 7, as the settings of the file state" in opened.notes
    against = load_checkpoint(path, options, task="add", p=5)
    assert (against.task.operation, against.task.p) == ("add", 5)
    assert "operation=add was given; the file's settings say multiply" in against.notes


def test_yaml_is_data_and_nothing_in_it_runs(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt")
    trap = f"!!python/object/apply:os.system ['touch {tmp_path}/ran']"
    (tmp_path / "hparams.yaml").write_text(
        f"args: !!python/object:argparse.Namespace\n  attn_coeff: 2.5e-1\n  when: 2020-01-01\ntrap: {trap}\n"
    )
    settings, notes = settings_beside(path)
    assert settings["args"] == {"attn_coeff": "2.5e-1", "when": "2020-01-01"} or settings["args"] == {
        "attn_coeff": 0.25,
        "when": "2020-01-01",
    }
    assert not (tmp_path / "ran").exists()
    assert load_checkpoint(path).model.to_dict()["attn_coeff"] == 0.25
    assert notes == ["settings: 'hparams.yaml' beside the file says args.attn_coeff=0.25"]


LAUGHS = "a: &a [1]\n" + "".join(
    f"{y}: &{y} [*{x},*{x},*{x}]\n" for x, y in zip("abcdefghij", "bcdefghijk", strict=True)
)
HOSTILE = {
    "repeated": LAUGHS,
    "merged": "a: &a {x: 1}\n" + "".join(
        f"{y}: &{y} {{<<: [*{x},*{x},*{x}]}}\n" for x, y in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "in itself": "a: &a [*a]",
    "deep": "[" * 100_000,
    "large": "a: " + "9" * 100_000,
    "huge": "a: 1\n" * 2**16,
    "list": "- 1",
    "deep table": "a = " + "[" * 50_000,
    "empty": "",
    "binary": "\0\1",
    "unhashable": "? [1]\n: 2",
    "tag": "a: !!int x",
}  # fmt: skip


@pytest.mark.parametrize("ending", ["yaml", "toml", "json"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_configuration_is_passed_over_with_a_note(name: str, ending: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt")
    (tmp_path / f"config.{ending}").write_text(HOSTILE[name])
    start = time.monotonic()
    settings, (note, *_) = settings_beside(path)
    assert time.monotonic() - start < 5
    assert note.startswith("passed over a file beside it")
    assert note.isprintable()
    assert len(note) < 600
    assert settings == {}


def test_a_pipe_is_no_configuration(tmp_path: Path) -> None:
    import os

    path = saved(tmp_path / "net.pt")
    os.mkfifo(tmp_path / "config.json")
    settings, notes = settings_beside(path)
    assert settings == {}
    assert "is a pipe; expected an ordinary file" in notes[0]


def test_settings_are_searched_to_a_bounded_depth() -> None:
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"p": 5, "inner": deep}
    assert 1 < len(levels(deep)) < 10
    assert len(levels({str(i): {} for i in range(10**5)})) == 1000
    assert [value for _, value in stated({"a": {"b": {"p": 3}}, "p": 5}, "modulus")] == [5, 3]


def test_a_series_is_read_with_the_coefficient_that_its_last_shows(tmp_path: Path) -> None:
    for step in (1, 20):
        saved(tmp_path / f"{step}.pt", network(step))
    series = list(load_series(tmp_path))
    assert [one.step for one in series] == [1, 20]
    first, last = (one.model.to_dict()["attn_coeff"] for one in series)
    assert first == last


@pytest.mark.parametrize("name", ["net.json", "report.json"])
def test_a_report_of_an_audit_is_no_configuration(tmp_path: Path, name: str) -> None:
    report = audit(analytic_mlp("add", p=13), ModularTask("add", p=13), n_random=2)
    (tmp_path / name).write_text(json.dumps(report.to_dict()))
    assert settings_beside(tmp_path / "net.pt") == ({}, [])


def test_of_two_files_of_one_name_the_nearer_decides(tmp_path: Path) -> None:
    path = saved(tmp_path / "run" / "checkpoints" / "last.pt")
    written(tmp_path / "run" / "config.json", SETTINGS | {"attn_coeff": 0.5})
    written(tmp_path / "run" / "checkpoints" / "config.json", SETTINGS)
    settings, notes = settings_beside(path)
    assert settings["attn_coeff"] == 0.25
    assert notes[2] == f"'config.json' says attn_coeff=0.25, {'../config.json'!r} 0.5; the first is used"


WEIGHTS = {"fc1.weight": torch.ones(9, 2 * P), "fc2.weight": torch.ones(P, 9)}
NO_OPERATION: list[dict[str, Any]] = [
    {"operation": 1},
    {"operation": True},
    {"operation": "custom"},
    {"operation": "binary"},
    {"operation": "all"},
    {"operation": []},
    {"group": {"symbol": "D", "order": 11}},
    {"group": {"n": 5, "family": "symmetric"}},
    {"group": ["D", 11]},
    {"group": "P"},
    {"model": {"fn": "default"}},
    {"math_operation": "max"},
]


@pytest.mark.parametrize("beside", NO_OPERATION)
def test_any_value_under_the_name_of_an_operation_is_read_or_an_error(
    beside: dict[str, Any], tmp_path: Path
) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "config.json", beside)
    with pytest.raises(CheckpointError, match=r"net\.pt' say \w+(\.\w+)?=.*no operation .*--task.*--table"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "beside",
    [
        {"math_operation": "subtract"},
        {"binary_operator": "-"},
        {"rule": "subtract"},
        {"operation": {"_target_": "tasks.Subtract"}},
        {"task": {"class_path": "tasks.ModularSubtraction", "init_args": {"p": P}}},
        {"operation": {"name": "subtract", "arity": 2}},
        {"task": {"operation": "subtract", "name": "modular"}},
        {"parameters": {"operation": {"values": ["subtract"]}}},
        {"anything": {"group": "subtract"}},
    ],
)
def test_an_operation_is_read_in_every_form(beside: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "config.json", beside)
    opened = load_checkpoint(path)
    assert opened.task.operation == "subtract"
    assert not any("operation" in note for note in opened.notes if note.startswith(("assumed", "not read")))


@pytest.mark.parametrize(
    "beside",
    [{"operation": ["subtract", "add"]}, {"parameters": {"operation": {"values": ["subtract", "add"]}}}],
)
def test_a_choice_of_operations_is_an_error(beside: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "config.json", beside)
    with pytest.raises(CheckpointError, match=r"more than one operation \(subtract and add\)"):
        load_checkpoint(path)


def test_an_operation_under_another_name_is_noted(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "config.json", {"exercise": "subtract"})
    notes = load_checkpoint(path).notes
    assert "not read as the operation, which --task names: exercise='subtract'" in notes
    written(tmp_path / "config.json", {"exercise": "subtract", "op": "multiply"})
    assert not any(note.startswith("not read") for note in load_checkpoint(path).notes)


@pytest.mark.parametrize(
    "other",
    [
        {"wandb": {"group": "run-7"}},
        {"optimizer": {"fn": "torch.optim.AdamW"}},
        {"loss": {"function": "cross_entropy"}},
        {"lr_scheduler": {"func": "cosine"}},
        {"group": "run-7"},
        {"act": "no"},
    ],
)
def test_general_names_refuse_nothing_elsewhere(other: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "hparams.yaml", {**other, "operation": "subtract"})
    opened = load_checkpoint(path)
    assert opened.task.operation == "subtract"
    kind = "the activation" if "act" in other else "an operation"
    assert any(note.startswith(f"not read as {kind}: ") for note in opened.notes)


@pytest.mark.parametrize("group", ["AlternatingGroup", "S5", "quaternion"])
def test_a_group_beside_an_operation_is_an_error(group: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "hparams.yaml", {"group": group, "operation": "add"})
    with pytest.raises(
        CheckpointError, match=f"group='{group}', operation='add'|operation='add', group='{group}'"
    ):
        load_checkpoint(path)


def test_the_nearer_source_wins_whatever_it_calls_a_fact(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", {"model": WEIGHTS, "config": {"activation": "relu"}})
    written(tmp_path / "config.json", {"act_fn": "square"})
    opened = load_checkpoint(path)
    assert opened.model.to_dict()["activation"] == "square"
    assert (
        "the configuration beside the file says act_fn=square, the file config.activation=relu; the first is used"
        in opened.notes
    )
    written(tmp_path / "net.json", {"nonlinearity": "gelu"})
    opened = load_checkpoint(path)
    assert opened.model.to_dict()["activation"] == "gelu"
    assert "'net.json' says nonlinearity=gelu, 'config.json' act_fn=square; the first is used" in opened.notes


def test_the_outer_level_comes_first_and_a_number_of_another_kind_states_no_modulus() -> None:
    settings = {"dropout": {"p": 0.1}, "model": {"modulus": 97}, "C": "cuda"}
    assert list(stated(settings, "modulus")) == [("model.modulus", 97)]
    assert [place for place, _ in stated({"in": {"activation": 1}, "act_fn": 2}, "activation")] == [
        "act_fn",
        "in.activation",
    ]


@pytest.mark.parametrize(
    "beside",
    [
        {"encoder": {"activation": "relu"}, "mlp": {"activation": "square"}},
        {"attention": {"activation": "relu"}, "mlp": {"act_fn": "square"}},
    ],
)
def test_two_activations_of_one_source_are_both_measured(beside: dict[str, Any], tmp_path: Path) -> None:
    own = analytic_mlp("add", 11, 100)
    first = own.embed.W_E.detach()
    weights = {
        "fc1.weight": torch.cat([first[0], first[1]]).T.contiguous(),
        "fc2.weight": own.unembed.W_U.detach().T.contiguous(),
    }
    path = saved(tmp_path / "net.pt", weights)
    written(tmp_path / "config.json", beside)
    opened = load_checkpoint(path)
    assert opened.model.to_dict()["activation"] == "square"
    assert any("activation=relu and mlp." in note and "each is measured" in note for note in opened.notes)
    assert any("by measurement; not as doshi: relu" in note for note in opened.notes)


def test_two_coefficients_of_one_source_are_both_measured(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt")
    written(tmp_path / "net.json", {**SETTINGS, "attn_coeff": 0.5, "model": {"attention_coeff": 1}})
    notes = load_checkpoint(path).notes
    assert "the settings say attn_coeff=0.5 and model.attention_coeff=1.0: each is measured" in notes
    shared = load_checkpoint(path, attn_coeff=1).notes
    assert "attn_coeff=1.0 was given; the file's settings say 0.5" in shared


@pytest.mark.parametrize(
    ("weights", "config", "others"),
    [
        ("mlp_7.pt", "config_7.json", ("mlp_8.pt", "config_8.json")),
        ("model7.pt", "config7.json", ("model8.pt",)),
        ("mlp7.pt", "config_7.json", ("mlp8.pt", "config_8.json")),
        ("7_mlp.pt", "7-hparams.yaml", ("8_mlp.pt",)),
        ("run3.pt", "run3_config.json", ("run4.pt", "run4_config.json")),
    ],
)
def test_a_configuration_belongs_by_its_number(
    weights: str, config: str, others: tuple[str, ...], tmp_path: Path
) -> None:
    for name in others:
        if name.endswith(".pt"):
            saved(tmp_path / name)
        else:
            written(tmp_path / name, {"op": "subtract", "p": 5})
    written(tmp_path / config, {"p": P})
    settings, notes = settings_beside(saved(tmp_path / weights))
    assert settings == {"p": P}
    assert notes == [f"settings: {config!r} beside the file says p={P}"]


@pytest.mark.parametrize(
    ("weights", "config"),
    [
        ("model_7.pt", "config_8.json"),
        ("model_7.pt", "run_8.json"),
        ("model7.pt", "hparams8.yaml"),
        ("a.pt", "config_b.json"),
        ("a.pt", "model_b.json"),
        ("step_700.pt", "config_800.json"),
    ],
)
def test_a_configuration_of_another_run_is_never_used_and_is_named(
    weights: str, config: str, tmp_path: Path
) -> None:
    written(tmp_path / config, {"operation": "multiply", "activation": "relu"})
    settings, notes = settings_beside(saved(tmp_path / weights))
    assert settings == {}
    assert notes == [
        f"not used, as nothing says that they belong to {weights!r}: {config!r} (activation=relu)"
    ]


def test_a_file_of_any_name_beside_several_networks_is_named(tmp_path: Path) -> None:
    written(tmp_path / "results.json", {"p": 5})
    written(tmp_path / "log.json", {"accuracy": [0.5]})
    saved(tmp_path / "b.pt")
    settings, (note,) = settings_beside(saved(tmp_path / "a.pt"))
    assert settings == {}
    assert note == "not used, as nothing says that they belong to 'a.pt': 'results.json' (p=5)"


def test_a_modulus_that_the_shapes_do_not_suggest_is_measured_beside_theirs(tmp_path: Path) -> None:
    arrays = output_first(transformer(vocab=12, n_ctx=3, n_outputs=12))
    path = saved(tmp_path / "net.pt", {n: torch.tensor(np.ascontiguousarray(a)) for n, a in arrays.items()})
    written(tmp_path / "results.json", {"p": 7})
    notes = "\n".join(load_checkpoint(path, dialect="nanda").notes)
    assert "settings: 'results.json' beside the file says p=7" in notes
    assert "the file's settings say p=7, and its shapes rather 11: each is measured" in notes
    assert "tokens 'a b 11'" in notes
    assert "tokens 'a b 7'" in notes


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("results.json", {"group": "Control"}),
        ("results.json", {"dataset": "mnist"}),
        ("results.json", {"operation": 1, "p": P}),
        ("metrics.json", {"group": "test", "activation": "high"}),
        ("../settings.json", {"group": "x"}),
    ],
)
def test_a_file_that_may_be_no_configuration_refuses_nothing(
    name: str, content: dict[str, Any], tmp_path: Path
) -> None:
    path = saved(tmp_path / "model" / "net.pt", WEIGHTS)
    written(path.parent / name, content)
    opened = load_checkpoint(path)
    assert opened.task.operation == "add"
    (note,) = (note for note in opened.notes if note.startswith("passed over in "))
    file, (key, *_) = Path(name).name, content
    assert note.startswith(f"passed over in {file!r}, which may be no configuration of a network: {key}=")


@pytest.mark.parametrize("content", [{"task": "evaluation"}, {"act": False}, {"act": "no"}])
def test_words_that_state_no_fact_refuse_nothing(content: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "net.json", content)
    assert load_checkpoint(path).task.operation == "add"


def test_a_configuration_of_a_run_above_its_checkpoints_is_an_error_as_beside(tmp_path: Path) -> None:
    path = saved(tmp_path / "checkpoints" / "last.ckpt", WEIGHTS)
    written(tmp_path / "hparams.yaml", {"group": "Q8", "p": P})
    with pytest.raises(CheckpointError, match="say group='Q8': no operation"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "beside",
    [{"group_type": "alternating", "group_parameter": 5}, {"group": {"name": "S5"}}, {"group": "S5", "p": P}],
)
def test_a_group_of_another_order_is_an_error(beside: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "config.json", beside)
    with pytest.raises(ConfigError, match=rf"composes {P} elements, and group:\w5 has \d+.*--task"):
        load_checkpoint(path)


def test_operations_of_two_names_in_two_files_are_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "config.json", {"model": {"op": "add"}})
    written(tmp_path / "hparams.yaml", {"operation": "subtract"})
    with pytest.raises(CheckpointError, match=r"more than one operation \(subtract and add\)"):
        load_checkpoint(path)
    written(tmp_path / "hparams.yaml", {"model": {"op": "subtract"}})
    opened = load_checkpoint(path)
    assert opened.task.operation == "add"
    assert "'config.json' says model.op=add, 'hparams.yaml' subtract; the first is used" in opened.notes


def test_what_states_no_fact_hides_none_of_a_file_further_away(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt", WEIGHTS)
    written(tmp_path / "net.json", {"task": "grokking", "p": 0.1, "model": {"width": 9}})
    written(tmp_path / "config.json", {"task": "subtract", "p": 97, "model": {"prime": P, "depth": 2}})
    settings, _ = settings_beside(path)
    assert settings == {"task": "subtract", "p": 97, "model": {"width": 9, "prime": P, "depth": 2}}


def test_letters_of_a_name_may_be_large() -> None:
    assert list(stated({"OPERATION": "S5", "Act_Fn": "relu"}, "operation")) == [("OPERATION", "S5")]
    assert list(stated({"OPERATION": "S5", "Act_Fn": "relu"}, "activation")) == [("Act_Fn", "relu")]
