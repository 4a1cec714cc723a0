"""The notebooks: what is committed can be read on its own, and every one runs."""

from __future__ import annotations

import getpass
import json
import re
from pathlib import Path
from time import monotonic
from typing import Any

import nbformat
import pytest
from documented import names_in, resolve
from nbclient import NotebookClient

from interp.lab.names import STUDIES

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_CELLS, MOST_BYTES, MOST_SECONDS = 40, 1_500_000, 90
FIGURES = ("image/png", "application/vnd.plotly.v1+json")
SMALL: dict[str, dict[str, Any]] = {
    "01": {
        "P": 23,
        "WIDTH": 60,
        "STEPS": 100,
        "SAVE_EVERY": 25,
        "TRAIN_FRACTION": 0.7,
        "CORRUPT_FRACTION": 0.3,
    },
    "02": {"P": 31, "WIDTH": 80, "STEPS": 200, "CLOSED_FORM": 60, "PLANTED": 60},
    "03": {"P": 31, "WIDTH": 80, "STEPS": 200, "RANDOM_SETS": 5},
    "04": {"P": 13, "D_MODEL": 16, "HEADS": 2, "STEPS": 60, "SAVE_EVERY": 20, "TRAIN_FRACTION": 0.7},
    "05": {"P": 31, "WIDTH": 80, "STEPS": 200, "LABEL_NOISE": 0.3},
    "06": {"P": 23, "WIDTH": 60, "STEPS": 100, "WEIGHT_DECAYS": (0, 5, 15), "NORM_STEPS": 60, "SMALL_P": 13}
    | {"SMALL_WIDTH": 20, "SMALL_STEPS": 40, "DATA": (0.5, 0.8), "CORRUPTION": (0.0, 0.3)},
    "07": {"P": 23, "WIDTH": 50, "STEPS": 100, "SAVE_EVERY": 50, "WEIGHT_DECAYS": (0, 10, 20)},
    "08": {
        "SEEDS": dict.fromkeys(STUDIES, 1),
        "RESULTS": "kept",
        "SETTINGS": {
            "contrast": {"p": 23, "width": 60, "steps": 150, "n_random": 3, "n_candidates": 8},
            "diffusion": {"n_images": 2, "width": 64, "steps": 60, "n_samples": 200, "n_candidates": 4}
            | {"longest": 2, "n_random": 2},
            "facts": {"relations": 4, "subjects": 8, "objects": 4, "d_model": 16, "d_mlp": 40, "steps": 60},
            "influence": {"networks": 12, "p": 11, "width": 40, "steps": 60},
            "tickets": {"p": 13, "wide": 16, "width": 24, "trained": 300, "limit": 200, "recovery": 20},
            "clamp": {"p": 19, "width": 48, "steps": 45, "log_every": 5},
            "induction": {"vocab": 8, "shortest": 3, "longest": 4, "d_model": 12, "d_head": 4, "steps": 30}
            | {"batch": 8, "log_every": 10},
            "lens": {"p": 13, "width": 32, "steps": 20},
            "plant": {"training": 5, "steps": 5, "methods": "gradient,contrast"},
            "memory-sinks": {"steps": 3, "width": 12, "duplicates": 4, "held_out": 8, "n_random": 1},
            "timescales": {"updates": 5, "bits": 4, "most": 3, "width": 12},
            "hosts": {"effort": 0.005},
        },
    },
    "09": {"WIDTH": 128, "STEPS": 120, "LABEL_NOISE": 0.1},
    "10": {"RESULTS": "none", "MODEL": "", "METHODS": ("gradient",), "SHARES": (0.05,), "RANDOM": 2}
    | {
        "TRAINING": {"vocab": 60, "duplicates": 6, "held_out": 12, "layers": 2, "d_model": 48, "d_mlp": 64}
        | {"steps": 150, "batch": 24, "repeated": 8}
    },
    "11": {
        "SEEDS": 1,
        "RESULTS": "kept",
        "SETTINGS": {
            "retention": {"updates": 2, "strings": 4, "foils": 4, "interference": 1, "n_random": 1}
            | {"background": 1, "facts": 2, "injections": 1, "after": 8},
            "forgetting": {"p": 11, "width": 40, "updates": 60, "forget_updates": 8, "relearn_updates": 5},
            "continual": {"which": "ewc", "updates": 2, "class_updates": 2, "operation_updates": 2},
        },
    },
    "12": {
        "SEEDS": 1,
        "MORE_SEEDS": 1,
        "RESULTS": "kept",
        "SETTINGS": {
            "communities": {"p": 29, "width": 100, "steps": 60, "every": 20},
            "describe": {"p": 23, "residues": 12, "updates": 20, "digits_width": 16, "draws": 20},
            "separability": {"p": 23, "width": 60, "steps": 40, "examples": 60, "draws": 19}
            | {"units": 8, "updates": 6, "checks": 2},
            "regime": {"p": 11, "noisy_p": 13, "width": 20, "steps": 10, "noisy_steps": 10},
            "overlap": {
                "simulated": 20_000,
                "unions": 2_000,
                "p": 11,
                "width": 40,
                "steps": 60,
                "digits_width": 30,
            }
            | {"digits_steps": 150, "draws": 99, "examples": 30, "wrong": 0.3},
            "side-memory": {
                "relations": 4,
                "subjects": 20,
                "objects": 3,
                "d_mlp": 32,
                "updates": 40,
                "edits": 6,
            }
            | {"tuning": 2, "steps": 2, "misrouted": 0.1},
        },
    },
}
"""By a notebook's number: what its parameters are replaced by, so that it runs in seconds; the seed is set to 0."""


def read(file: Path) -> Any:
    """A notebook that keeps to the format."""
    book = nbformat.read(file, as_version=4)
    nbformat.validate(book)
    return book


def parameter_cells(book: Any) -> list[Any]:
    """The cells that hold a notebook's sizes."""
    return [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())]


def outputs(book: Any) -> list[Any]:
    """Everything that running its cells gave."""
    return [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]


def has_figure(cell: Any) -> bool:
    """Whether a cell shows a figure."""
    return any(kind in output.get("data", ()) for output in cell.get("outputs", ()) for kind in FIGURES)


def shown_text(book: Any) -> str:
    """All outputs as text, images left out."""
    texts = []
    for output in outputs(book):
        data = {
            kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")
        }
        texts += [output.get("text", ""), json.dumps(data)]
    return "\n".join(texts)


def names_set(source: str) -> set[str]:
    """The names that a parameters cell gives values to."""
    return set(re.findall(r"^(\w+) *=", source, re.MULTILINE))


def test_notebooks_are_numbered_from_one_and_each_has_small_parameters() -> None:
    numbers = [file.name[:2] for file in NOTEBOOKS]
    assert numbers == [f"{n:02d}" for n in range(1, len(NOTEBOOKS) + 1)]
    assert set(numbers) == set(SMALL)
    assert all(re.fullmatch(r"\d\d_[a-z_]+\.ipynb", file.name) for file in NOTEBOOKS)


def test_the_readme_lists_every_notebook_and_recipe() -> None:
    text = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    recipes = sorted((ROOT / "notebooks" / "recipes").glob("*.toml"))
    assert recipes
    for file in [*NOTEBOOKS, *recipes]:
        assert f"({file.relative_to(ROOT / 'notebooks').as_posix()})" in text


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
class TestCommitted:
    """A notebook as it lies in the repository."""

    def test_it_is_short_and_has_its_sizes_near_the_top(self, file: Path) -> None:
        book = read(file)
        assert len(book.cells) <= MOST_CELLS
        assert file.stat().st_size <= MOST_BYTES
        (cell,) = parameter_cells(book)
        assert book.cells.index(cell) <= 3
        assert names_set(cell.source) == set(SMALL[file.name[:2]]) | {"SEED"}
        assert len({cell.id for cell in book.cells}) == len(book.cells)

    def test_it_begins_with_a_title_and_defines_nothing(self, file: Path) -> None:
        book = read(file)
        assert book.cells[0].source.startswith(f"# {int(file.name[:2])}. ")
        code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
        assert not re.search(r"^\s*(def|class) ", code, re.MULTILINE)

    def test_its_outputs_are_there_and_show_figures_everywhere(self, file: Path) -> None:
        book = read(file)
        assert not [output for output in outputs(book) if output.output_type == "error"]
        assert not [output for output in outputs(book) if output.get("name") == "stderr"]
        kinds = [kind for output in outputs(book) for kind in output.get("data", ())]
        assert "image/png" in kinds
        assert not [kind for kind in kinds if "plotly" in kind]  # GitHub does not draw it
        counts = [cell.execution_count for cell in book.cells if cell.cell_type == "code"]
        assert counts == list(range(1, len(counts) + 1)), "executed from top to bottom, once"

    def test_each_figure_is_explained_by_the_text_below_it(self, file: Path) -> None:
        book = read(file)
        for i, cell in enumerate(book.cells):
            if has_figure(cell):
                below = book.cells[i + 1]
                assert below.cell_type == "markdown"
                assert below.source.startswith("**"), f"no caption below cell {cell.id}"
                assert len(below.source.split()) >= 25

    def test_its_outputs_say_nothing_of_the_machine(self, file: Path) -> None:
        book, text = read(file), shown_text(read(file))
        assert not re.search(r"/(tmp|home|root|work|Users|usr|var|opt)/", text)
        user = getpass.getuser()
        assert user == "root" or not re.search(rf"\b{re.escape(user)}\b", text)
        assert not [cell for cell in book.cells if "execution" in cell.metadata]
        assert set(book.metadata) == {"kernelspec", "language_info"}

    def test_names_that_it_uses_exist(self, file: Path) -> None:
        for cell in read(file).cells:
            if cell.cell_type == "code":
                for name in names_in(cell.source.replace("%%capture", "")):
                    resolve(name)

    def test_its_links_lead_somewhere(self, file: Path) -> None:
        text = "\n".join(cell.source for cell in read(file).cells if cell.cell_type == "markdown")
        links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
        assert all((file.parent / link).exists() for link in links)


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_it_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOTLY_RENDERER", "plotly_mimetype")  # needs no browser
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    book = read(file)
    (cell,) = parameter_cells(book)
    cell.source = "\n".join(
        f"{name} = {value!r}" for name, value in {**SMALL[file.name[:2]], "SEED": 0}.items()
    )
    figures = sum(has_figure(one) for one in book.cells)
    client = NotebookClient(
        book, timeout=MOST_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    start = monotonic()
    client.execute()
    assert monotonic() - start < MOST_SECONDS
    assert not [o.text for o in outputs(book) if o.get("name") == "stderr" and "Warning" in o.text]
    assert sum(has_figure(one) for one in book.cells) == figures
    assert not list(tmp_path.glob("*.safetensors")), "it leaves nothing behind where it was started"
