"""State dicts of edited networks load into the strangers' own files and modules, and give the hooked logits."""

import foreign
import numpy as np
import pytest
import torch
from torch import nn

import interp
from interp.checkpoints.open import load_checkpoint
from interp.data import ModularTask
from interp.errors import InterventionError
from interp.measuring.evaluation import all_logits
from interp.measuring.removals import removal
from interp.models import adopt
from interp.subject import Subject

P = 7


def _he():
    return foreign.draw(0, **{"mlp.W_in": (10, P), "mlp.W_out": (P, 10)})


def _doshi():
    return foreign.draw(1, **{"fc1.weight": (10, 2 * P), "fc2.weight": (P, 10)})


def _doshi_with_biases():
    return _doshi() | foreign.draw(2, **{"fc1.bias": (10,), "fc2.bias": (P,)})


def _chughtai():
    return foreign.draw(3, W_x=(P, 5), W_y=(P, 5), W=(10, 8), W_U=(8, P))


def _nanda():
    return foreign.output_first(foreign.transformer(vocab=P + 1, n_ctx=3, n_outputs=P + 1))


def _transformer_lens():
    return foreign.version_2(foreign.transformer(vocab=P + 1, n_ctx=3, n_outputs=P, biases=True))


FILES = {
    one.__name__[1:]: one for one in (_he, _doshi, _doshi_with_biases, _chughtai, _nanda, _transformer_lens)
}
PREFIX = "module."


def _stored(folder, name):
    tensors = {PREFIX + key: torch.tensor(array) for key, array in FILES[name]().items()}
    torch.save({"model": tensors}, folder / "net.pt")
    return folder / "net.pt", tensors


OPTIONS = {"task": "add", "p": P, "activation": "relu"}


@pytest.mark.parametrize("name", FILES)
def test_removal_is_written_under_the_names_of_the_file(name, tmp_path):
    path, tensors = _stored(tmp_path, name)
    opened = load_checkpoint(path, **OPTIONS)
    result = interp.remove(opened, None, [1, 4, 6], n_random=1)
    state = result.state_dict()
    assert list(state) == list(tensors)
    assert {key: value.shape for key, value in state.items()} == {k: v.shape for k, v in tensors.items()}
    torch.save(state, tmp_path / "edited.pt")
    edited = load_checkpoint(tmp_path / "edited.pt", **OPTIONS)
    with result.applied as model:
        hooked = all_logits(model, opened.task.dataset)
    before = all_logits(opened.model, opened.task.dataset)
    assert not torch.allclose(hooked, before)
    torch.testing.assert_close(all_logits(edited.model, opened.task.dataset), hooked, rtol=1e-5, atol=1e-5)
    different = [key for key in tensors if not torch.equal(state[key], tensors[key])]
    assert len(different) == 1, "removal changes the one matrix that reads the neurons"


def test_a_shift_needs_a_bias_in_the_file(tmp_path):
    path, _ = _stored(tmp_path, "doshi_with_biases")
    opened = load_checkpoint(path, **OPTIONS)
    result = interp.remove(opened, None, [1, 4], mode="mean", n_random=1)
    torch.save(result.state_dict(), tmp_path / "edited.pt")
    edited = load_checkpoint(tmp_path / "edited.pt", **OPTIONS)
    with result.applied as model:
        hooked = all_logits(model, opened.task.dataset)
    torch.testing.assert_close(all_logits(edited.model, opened.task.dataset), hooked, rtol=1e-4, atol=1e-5)
    path, _ = _stored(tmp_path, "doshi")
    result = interp.remove(load_checkpoint(path, **OPTIONS), None, [1, 4], mode="mean", n_random=1)
    with pytest.raises(InterventionError, match="no place for a bias"):
        result.state_dict()


def test_a_file_that_changed_meanwhile_is_not_edited(tmp_path):
    path, tensors = _stored(tmp_path, "he")
    result = interp.remove(load_checkpoint(path, **OPTIONS), None, [1], n_random=1)
    torch.save({"model": {key: tensor + 1 for key, tensor in tensors.items()}}, path)
    with pytest.raises(InterventionError, match="not as it was when it was opened"):
        result.state_dict()


def _module():
    return nn.Sequential(nn.Embedding(P, 6), nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, P))


@pytest.mark.parametrize("mode", ["zero", "scale=0.5", "mean"])
def test_weights_load_into_the_strangers_own_module(mode):
    torch.manual_seed(0)
    module, task = _module(), ModularTask("add", P)
    model = adopt(module.eval(), ["4:input"])
    result = interp.remove(model, task, [0, 3], mode=mode, n_random=1)
    own = _module()
    own.load_state_dict(result.state_dict())
    with result.applied:
        hooked = model(task.dataset.inputs)
    torch.testing.assert_close(own(task.dataset.inputs), hooked)
    assert not torch.allclose(module(task.dataset.inputs), hooked, atol=1e-4)


class _Shared(nn.Module):
    """Its first layer's weights are used a second time, where no module shows it."""

    def __init__(self):
        super().__init__()
        self.embed, self.layer, self.head = nn.Embedding(P, 9), nn.Linear(9, 9), nn.Linear(9, P)

    def forward(self, pairs):
        first, second = self.embed(pairs).unbind(1)
        return self.head(torch.relu(self.layer(first)) + nn.functional.linear(second, self.layer.weight))


def test_weights_that_are_used_elsewhere_too_are_an_error():
    model = adopt(_Shared().eval(), ["layer:input"])  # without an example, which would show it beforehand
    result = interp.remove(model, ModularTask("add", P), [0, 3], n_random=1)
    with pytest.raises(InterventionError, match="used elsewhere"):
        result.state_dict()


@pytest.mark.parametrize("adopted", [False, True])
def test_a_network_in_memory_needs_a_bias_for_a_shift(adopted):
    task, plain = ModularTask("add", P), nn.Linear(9, P, bias=False)
    own = nn.Sequential(nn.Embedding(P, 6), nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), plain)
    model = adopt(own.eval(), ["4:input"]) if adopted else interp.analytic_mlp("add", p=P)
    assert (
        interp.remove(model, task, [1, 4], n_random=1).state_dict().keys()
        == (own if adopted else model).state_dict().keys()
    )
    with pytest.raises(InterventionError, match="no place for the bias"):
        interp.remove(model, task, [1, 4], mode="mean", n_random=1).state_dict()


def test_modes_that_no_weights_express_are_errors():
    model, task = interp.analytic_mlp("add", p=13), ModularTask("add", 13)
    result = interp.remove(model, task, [0, 3], mode="resample", n_random=1)
    with pytest.raises(InterventionError, match="weights cannot express"):
        result.state_dict()


def test_a_result_of_numbers_alone_says_how_to_have_weights():
    model, task = interp.analytic_mlp("add", p=13), ModularTask("add", 13)
    result = removal(Subject(model, task).cached, np.array([1]), n_draws=1)
    with pytest.raises(InterventionError, match=r"measure it with interp\.remove"):
        result.state_dict()
