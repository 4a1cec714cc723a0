"""How the documentation's code is made small enough to be run by a test: data only.

Everything here is used, which `tests/test_guide_code.py` checks; a line that no entry of `NOT_RUN` begins is run.
"""

from __future__ import annotations

PYTHON = {
    "p=97": "p=23",
    "p=113": "p=23",
    "width=500": "width=60",
    "steps=1000": "steps=300",
    "neuron=343": "neuron=43",
    "task, 343)": "task, 43)",
    "workers=2)": "workers=1)",
    'measure="labels")  #': 'measure="labels", workers=1)  #',
    '"influence", range(3)': '"influence", range(2), workers=1, networks=6, p=11, width=24, steps=40',
}
"""Text of Python blocks, and what is run in its place."""

SHELL = {
    "--p 113": "--p 23",
    "--p 59": "--p 23",
    "--engine ray --ray-address auto": "--workers 1",
    "--engine ray": "--workers 1",
    "model.gguf": "checkpoint-500",
    '"$CHECKPOINT"': "runs/r0",
}
"""Text of command lines, and what is run in its place: small moduli, and no cluster."""

OPTIONS = (
    (r"train .*--model transformer", "--p 11 --d-model 16 --d-mlp 24 --steps 40"),
    (r"train .*--task group", "--width 40 --steps 100"),
    (r"train ", "--p 23 --width 60 --steps 300"),
    (r"demo", "--steps 40"),
    (r"batch ", "--workers 1 --outliers 1"),
    (r"sweep ", "--workers 1"),
    (r"unlearn .*--compare", "--steps 20"),
    (r"study influence", "--seeds 2 --workers 1 --networks 6 --p 11 --width 24 --steps 40"),
    (
        r"study tickets",
        "--seeds 1 --workers 1 --p 11 --width 16 --wide 12 --trained 100 --limit 100 --every 50",
    ),
    (r"study lens", "--seeds 1 --workers 1"),
)
"""Options that are added to the first kind of command that a line is; a later option wins over an earlier one."""

EXITS = {
    r"neurons\.memorizing > 0\.1": 1,
    r"runs/r0 .*accuracy\.test < 0\.9": 1,
    r"accuracy\.test < 0\.5 or": 1,
    r"grokscope study$": 2,
}
"""Exit codes other than 0 that are meant: conditions that hold of the small networks, and help in place of a study."""

NOT_RUN = {
    "python3 -m venv": "makes an environment: .ci/run does it by README's own lines",
    "source .venv/bin/activate": "enters that environment",
    "pip install": "installs packages",
    "python -m pytest": "runs the tests themselves",
    "pre-commit": "needs the checkout's git repository",
    "bash .ci/run": "runs the tests themselves",
    "python -c": "looks for a package that is not installed everywhere",
    "PLOTLY_RENDERER=png jupyter execute": "tests/test_notebooks.py runs every notebook",
    "grokscope sweep notebooks/recipes/studies/": "trains for hours: its runs are committed and tested",
    "grokscope study plant --model SmolLM2": "needs a downloaded model and an hour: its runs are committed and tested",
}
"""Beginnings of command lines that no test runs, each with the reason."""

SHOWN = {
    "": "output, and pictures made of text",
    "console": "a dialogue with a shell: tests/interp/cli/test_completion.py has it with shells",
}
"""Languages of blocks that are not run, each with the reason."""

START = """
task = interp.ModularTask("add", p=23, train_fraction=0.6, corrupt_fraction=0.35, seed=0)
model = interp.load_checkpoint("runs/r0").model
subject = interp.Subject(model, task)
table = subject.table
memorizing = table.where(label="memorizing")
"""

PRELUDES = {
    "interventions-and-training": START,
    "explorer": START,
    "own-data": """
import numpy as np
inputs, labels, mask = np.arange(12).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2]), np.arange(6) < 4
""",
    "own-networks": """
import torch
from torch import nn
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(23, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 24, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.fc = nn.Linear(16, 23)
    def forward(self, tokens):
        return self.fc(self.encoder(self.embed(tokens))[:, -1])
network = Encoder().eval()
task = interp.ModularTask("add", p=23, train_fraction=0.5)
inputs = task.dataset.inputs
""",
    "hosts": """
import torch
from guide_files import Recurrent
network = Recurrent(23, 23).eval()
task = interp.ModularTask("add", p=23, train_fraction=0.5)
rows = [(a, b, a, b, a, b, a, b, a) for a, b in task.dataset.inputs.tolist()]
inputs = torch.tensor(rows)
task = interp.TableTask.from_arrays(inputs, task.dataset.labels, train=task.dataset.train)
neurons = [0, 3, 5]
""",
    "studies": START
    + """
import numpy as np, torch
from guide_files import Recurrent, random_classifier
rng = np.random.default_rng(0)
on_memorised, on_others, outgoing = torch.rand(20, 8), torch.rand(30, 8), torch.randn(8, 5)
correct, included = rng.random((12, 30)) < 0.7, rng.random((12, 30)) < 0.5
recurrent = interp.adopt(Recurrent(23, 23).eval(), ["tap:hidden"], example=torch.zeros(2, 9, dtype=torch.int64))
steps = torch.randint(0, 23, (40, 9), generator=torch.Generator().manual_seed(0))
sums = subject.data.inputs.sum(1).numpy()
mask_of_sums, mask_of_differences = sums % 2 == 0, sums % 2 == 1
points = torch.tensor(rng.normal(size=(80, 6)), dtype=torch.float32)
classes = torch.arange(80) % 10
networks = [interp.adopt(random_classifier(seed, classes=5), ["2:input"], example=points[:2]) for seed in range(2)]
calibration, test = (points[:40], classes[:40]), (points[40:], classes[40:])
network = random_classifier(3)
inputs, labels, test_inputs, test_labels = *calibration, *test
pairs = subject.data.inputs
prompts, targets, unrelated, others = pairs[:3], torch.tensor([1, 2, 3]), pairs[40:], pairs[3:6, None]
shape, neurons = interp.MLPConfig(width=60), np.array([0, 3, 5])
""",
}
"""What the Python blocks of a page take for granted, by the page's name."""
