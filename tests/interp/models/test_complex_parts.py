"""Complex activations: a part is scored because it was named, and a change of it leaves the other part as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from interp.checkpoints.open import load_checkpoint
from interp.checkpoints.options import OpenOptions
from interp.errors import ConfigError, InterventionError
from interp.interventions import Edit, bake, intervene
from interp.jobs import batch
from interp.models import adopt, neuron_site, prefix_at
from interp.modes import Zero
from interp.subject import score


class Turned(nn.Module):
    """Complex numbers of embedded pairs, turned by a table that is a parameter, as rotary positions are."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.turn, self.read = nn.Embedding(7, 16), Turn(), nn.Linear(16, 7)

    def forward(self, tokens: Tensor) -> Tensor:
        both = self.embed(tokens).sum(1).reshape(-1, 8, 2)
        return self.read(torch.view_as_real(self.turn(torch.view_as_complex(both))).flatten(1))


class Turn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.polar(torch.ones(8), torch.arange(8.0)))

    def forward(self, values: Tensor) -> Tensor:
        return values * self.table


PAIRS = torch.cartesian_prod(torch.arange(7), torch.arange(7))


def expected(module: Turned, part: str, neurons: list[int]) -> Tensor:
    """Logits with one part of some numbers zero, by hand."""
    with torch.no_grad():
        both = module.embed(PAIRS).sum(1).reshape(-1, 8, 2)
        turned = torch.view_as_real(module.turn(torch.view_as_complex(both))).clone()
        turned[:, neurons, 0 if part == "real" else 1] = 0
        return module.read(turned.flatten(1))


@pytest.mark.parametrize("part", ["real", "imag"])
def test_a_part_is_shown_and_ablated_and_the_other_stays(part: str) -> None:
    module = Turned()
    model = adopt(module, "turn", example=PAIRS, part=part)
    site = neuron_site(model)
    assert site.width == 8
    with torch.no_grad():
        assert torch.equal(model(PAIRS), module(PAIRS))
        _, cache = model.run_with_cache(PAIRS)
        shown = cache["turn:output"]
        assert torch.equal(
            shown,
            getattr(module.turn(torch.view_as_complex(module.embed(PAIRS).sum(1).reshape(-1, 8, 2))), part),
        )
        with intervene(model, Edit("turn:output", np.array([0, 3]), Zero())):
            assert torch.allclose(model(PAIRS), expected(module, part, [0, 3]), atol=1e-6)
        changed = shown.clone()
        changed[:, [0, 3]] = 0
        logits = prefix_at(model, "turn:output", PAIRS).logits(changed)
        assert torch.allclose(logits, expected(module, part, [0, 3]), atol=1e-6)
    with pytest.raises(InterventionError, match=f"no weights change the {part} part"):
        bake(model, Edit("turn:output", np.array([0]), Zero()))


def test_magnitudes_are_scored_and_not_changed() -> None:
    model = adopt(Turned(), "turn", example=PAIRS, part="abs")
    _, cache = model.run_with_cache(PAIRS)
    assert cache["turn:output"].shape == (49, 8)
    assert bool((cache["turn:output"] >= 0).all())
    with (
        pytest.raises(InterventionError, match="scored by batch --measure scores, but not changed"),
        intervene(model, Edit("turn:output", np.array([0]), Zero())),
    ):
        model(PAIRS)


def test_gradients_go_through_a_part() -> None:
    module = Turned()
    model = adopt(module, "turn", example=PAIRS, part="real")
    with intervene(model, Edit("turn:output", np.array([2]), Zero())):
        model(PAIRS).square().sum().backward()
    gradient = module.turn.table.grad
    both = module.embed(PAIRS).sum(1).reshape(-1, 8, 2)
    module.zero_grad()
    turned = torch.view_as_real(module.turn(torch.view_as_complex(both)))
    keep = torch.ones(8, 2)
    keep[2, 0] = 0
    module.read((turned * keep).flatten(1)).square().sum().backward()
    assert torch.allclose(gradient, module.turn.table.grad, rtol=1e-4)


def test_no_part_is_taken_in_silence() -> None:
    with pytest.raises(
        ConfigError, match=r"'turn:output' holds complex64 numbers.*'real', 'imag' or 'abs'.*--part"
    ):
        adopt(Turned(), "turn", example=PAIRS)
    with pytest.raises(ConfigError, match=r"'read:input' holds float32 numbers, which have no part 'real'"):
        adopt(Turned(), "read:input", example=PAIRS, part="real")
    with pytest.raises(ConfigError, match="unknown part 'phase'"):
        adopt(Turned(), "turn", part="phase")


def test_the_option_scores_a_part_of_a_file_with_complex_parameters(tmp_path: Path) -> None:
    module = Turned()
    torch.save(module.state_dict(), tmp_path / "net.pt")
    code = Path(__file__).read_text().partition("\nPAIRS")[0].partition("class Turned")[2]
    (tmp_path / "net.py").write_text(
        f"import torch\nfrom torch import Tensor, nn\n\n\nclass Turned{code}\n\ndef build():\n    return Turned()\n"
    )
    options = {"model": f"{tmp_path / 'net.py'}:build", "sites": ("turn",), "task": "add", "p": 7}
    opened = load_checkpoint(tmp_path / "net.pt", **options, part="imag")
    assert "of complex activations the imaginary parts are the neurons" in opened.notes
    with torch.no_grad():
        assert torch.equal(opened.model(PAIRS), module(PAIRS))
    done = batch(
        tmp_path / "net.pt",
        tmp_path / "out",
        options=OpenOptions(**options, part="abs"),
        workers=1,
        outliers=0,
    )
    (row,) = done.store.checkpoints.to_pylist()
    assert (row["status"], row["neurons"], row["source"]) == ("ok", 8, "activations")
    with pytest.raises(InterventionError, match="but not changed"):
        score(load_checkpoint(tmp_path / "net.pt", **options, part="abs"))
    with pytest.raises(ConfigError, match="say which"):
        load_checkpoint(tmp_path / "net.pt", **options)
    with pytest.raises(ConfigError, match="--part says how your own module is used; give --model too"):
        load_checkpoint(tmp_path / "net.pt", part="real")
