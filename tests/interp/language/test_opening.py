"""Language models from folders, GGUF files, names on the hub, and memory; and files that are none."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from huggingface_hub import is_offline_mode
from language_models import ARCHITECTURES, VOCAB, real_model, saved, tiny
from safetensors.torch import load_file, save_file

from interp.errors import CheckpointError, ConfigError
from interp.language.model import LanguageModel
from interp.language.opening import open_language_model

IDS = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 7, 1, 8, 2, 8]])


def logits(model: LanguageModel, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model.hidden(ids, torch.ones_like(ids, dtype=torch.bool)))


def close(model: LanguageModel, network: object) -> bool:
    with torch.no_grad():
        return torch.allclose(logits(model), network(IDS).logits, atol=1e-5)


def refusal(source: object, error: type[Exception] = CheckpointError) -> str:
    with pytest.raises(error) as caught:
        open_language_model(source)
    return str(caught.value)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_in_memory_gives_its_own_logits_and_stays_as_it_is(architecture: str) -> None:
    network = tiny(architecture)
    names, before = list(network.state_dict()), network(IDS).logits
    model = open_language_model(network)
    assert torch.allclose(logits(model), before, atol=1e-5)
    assert list(network.state_dict()) == names
    assert torch.equal(network(IDS).logits, before)
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert open_language_model(model) is model
    assert (len(model.units()), len(model.units("heads"))) == (
        4 * 32 if architecture == "gpt2" else 2 * 32,
        4,
    ) or (architecture == "gpt2" and len(model.units()) == 2 * 64)
    assert model.vocab == VOCAB
    assert model.via == ("adopt" if architecture == "own" else "TransformerBridge")


def test_weights_are_shared_with_a_model_in_memory_and_other_dtypes_are_copied_with_a_line() -> None:
    network = tiny()
    assert open_language_model(network).head.weight.data_ptr() == network.lm_head.weight.data_ptr()
    half = tiny().bfloat16()
    model = open_language_model(half)
    assert model.head.weight.dtype == torch.float32
    assert half.lm_head.weight.dtype == torch.bfloat16
    assert "bfloat16" in model.notes[0]


def test_folders_with_shards_or_pickled_weights_are_opened(tmp_path: Path) -> None:
    network = tiny()
    whole = open_language_model(saved(tmp_path / "whole"))
    assert close(whole, network)
    assert whole.tokenizer is None
    assert "give sequences as ids" in whole.notes[-1]
    shards = saved(tmp_path / "shards", max_shard_size="5KB")
    assert len(list(shards.glob("model-*.safetensors"))) > 1
    assert close(open_language_model(shards), network)
    pickled = saved(tmp_path / "pickled")
    torch.save(network.state_dict(), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    assert close(open_language_model(pickled), network)


def test_a_dtype_on_disk_and_tensors_of_no_use_are_notes(tmp_path: Path) -> None:
    folder = tmp_path / "half"
    tiny().bfloat16().save_pretrained(folder)
    file = folder / "model.safetensors"
    save_file(load_file(file) | {"extra.weight": torch.ones(2)}, file, {"format": "pt"})
    notes = " ".join(open_language_model(folder).notes)
    assert "weights stored as BF16 are computed with in float32" in notes
    assert "'extra.weight'" in notes


def test_a_tokenizer_that_is_there_is_opened(tmp_path: Path) -> None:
    model = open_language_model(saved(tmp_path / "model", tokenizer=True))
    assert model.tokenizer("the cat sat")["input_ids"] == [1, 2, 4]
    assert model.notes == ()
    (tmp_path / "model" / "tokenizer.json").write_text("{")
    assert "no tokenizer that can be read" in open_language_model(tmp_path / "model").notes[-1]


def test_missing_and_damaged_weights_are_errors(tmp_path: Path) -> None:
    folder = saved(tmp_path / "shards", max_shard_size="5KB")
    sorted(folder.glob("model-*.safetensors"))[1].unlink()
    assert "model-00002" in refusal(folder)
    file = saved(tmp_path / "less") / "model.safetensors"
    kept = {name: one for name, one in load_file(file).items() if "down_proj" not in name}
    save_file(kept, file, {"format": "pt"})
    assert "lacks 2 of the weights" in refusal(file.parent)
    file.write_bytes(file.read_bytes()[:-9])
    assert "cannot open" in refusal(file.parent)
    file.unlink()
    assert "cannot open" in refusal(file.parent)
    (file.parent / "pytorch_model.bin").write_bytes(pickle.dumps({"a": print}))
    assert "not unpacked" in refusal(file.parent)


def test_weights_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    file = saved(tmp_path / "model") / "model.safetensors"
    weights = load_file(file)
    weights["model.layers.1.mlp.down_proj.weight"][0, 0] = float("nan")
    save_file(weights, file, {"format": "pt"})
    assert "not finite" in refusal(file.parent)


def test_a_configuration_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    file = saved(tmp_path / "model") / "config.json"
    config = json.loads(file.read_text())
    for change, part in (
        ({"hidden_size": 32}, "the shapes of its tensors"),
        ({"model_type": "no-such"}, "no-such"),
        ({"hidden_size": "many"}, "hidden_size"),
        ({"num_hidden_layers": 10**9}, "1,000,000,000 layers"),
        ({"num_attention_heads": 0}, "cannot open"),
    ):
        file.write_text(json.dumps(config | change))
        assert part in refusal(file.parent)
    file.write_text("{")
    assert "is none" in refusal(file.parent)


def test_a_model_that_is_too_large_is_refused_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path / "model")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"vocab_size": 2**40}))
    assert "GiB of memory" in refusal(folder, ConfigError)
    monkeypatch.setenv("GROKSCOPE_MEMORY", "0.000001")
    assert "open a smaller model" in refusal(saved(tmp_path / "other"), ConfigError)


def test_code_of_a_checkpoint_is_not_run_and_never_asked_for(tmp_path: Path) -> None:
    file = saved(tmp_path / "model") / "config.json"
    config = json.loads(file.read_text())
    (file.parent / "own.py").write_text("raise SystemExit('it was run')")
    file.write_text(json.dumps(config | {"auto_map": {"AutoModelForCausalLM": "own.Model"}}))
    assert "not run" in open_language_model(file.parent).notes[0]
    named = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    file.write_text(json.dumps(config | {"model_type": "mine", "auto_map": named}))
    assert "custom code" in refusal(file.parent)


def test_networks_that_are_no_causal_language_models_are_errors(tmp_path: Path) -> None:
    sizes = {"vocab_size": VOCAB, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    encoder = transformers.BertForMaskedLM(transformers.BertConfig(**sizes, intermediate_size=32))
    encoder.save_pretrained(tmp_path / "bert")
    assert "not causal" in refusal(tmp_path / "bert")
    both = transformers.T5Config(vocab_size=VOCAB, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    network = transformers.T5ForConditionalGeneration(both)
    assert "encoder" in refusal(network)
    network.save_pretrained(tmp_path / "t5")
    assert "T5Config" in refusal(tmp_path / "t5")
    space = transformers.MambaForCausalLM(
        transformers.MambaConfig(vocab_size=VOCAB, hidden_size=16, num_hidden_layers=1)
    )
    assert "state-space" in refusal(space)
    assert "no causal language model of transformers" in refusal(torch.nn.Linear(2, 2))


def test_an_adapter_is_not_passed_over(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    (folder / "adapter_config.json").write_text("{}")
    assert "adapter" in refusal(folder)


def test_a_path_that_does_not_exist_is_never_looked_for_on_the_hub(tmp_path: Path) -> None:
    assert "write hf://gpt2-like/model for the hub's" in refusal("gpt2-like/model")
    assert "does not exist" in refusal("no\0path")
    assert "expected a folder with config.json" in refusal(tmp_path)


def test_a_name_that_is_not_cached_is_an_error_at_once_when_offline() -> None:
    assert is_offline_mode()
    assert "hf://no/such" in refusal("hf://no/such")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\3\0\0\0" + b"\xff" * 100])
def test_damaged_gguf_files_are_errors(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    assert "cannot open" in refusal(file)


@pytest.mark.slow
def test_nothing_is_asked_of_the_network_for_a_folder(tmp_path: Path) -> None:
    script = (
        "import socket, sys\n"
        "def refused(*_): print('asked'); raise OSError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refused\n"
        "from interp.language.opening import open_language_model\n"
        "print(open_language_model(sys.argv[1]).via)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    command = [sys.executable, "-c", script, str(saved(tmp_path / "model", tokenizer=True))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["TransformerBridge"]


@pytest.mark.slow
def test_the_real_model_is_opened_from_its_gguf_file() -> None:
    model = open_language_model(real_model())
    assert (len(model.blocks), len(model.units()), model.vocab) == (30, 46_080, 49_152)
    assert "float32" in model.notes[0]
    ids = torch.tensor([model.tokenizer("When in the Course of human")["input_ids"]])
    assert model.tokenizer.decode(logits(model, ids)[0, -1].argmax()) == " events"
