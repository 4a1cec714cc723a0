"""A mode, a column, a label and a split that are added in their one place are on the page, and do what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import interp
from interp.data import SPLITS
from interp.explorer import layout, page
from interp.explorer.edits import Change, as_python, change_of, changes_of
from interp.explorer.figures import scatter, selected_points
from interp.explorer.rows import rows_of
from interp.explorer.selection import by_label, by_score
from interp.explorer.session import Session
from interp.modes import MODES, Mode, Patch, Scale
from interp.subject import open_subject
from probes.columns import COLUMNS, Column
from probes.labels import LABELS

ADDED = {
    "flip": Mode("flipped", "change the sign", lambda activations, factor, seed: Scale(-1.0)),
    "peak": Mode(
        "set to their largest", "their maximum", lambda a, factor, seed: Patch(a.amax(0)), from_examples=True
    ),
    "drown": Mode(
        "drowned {factor:g} deep", "divide by a factor and more", lambda a, f, seed: Scale(f / 4), "DEPTH"
    ),
    "unsaved": Mode("hidden", "not for the page", lambda a, f, seed: Scale(f), in_weights=False),
}


@pytest.fixture
def session(run: Path) -> Session:
    return Session(open_subject(run))


def sent(part: Any) -> str:
    """A part of the page as it is sent to the browser."""
    from plotly.io.json import to_json_plotly

    return to_json_plotly(part)


@pytest.mark.parametrize("mode", ["flip", "peak", "drown"])
def test_an_added_mode_is_shown_applied_undone_saved_and_copied(
    session: Session, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unchanged = session.measure(()).logits
    for name, added in ADDED.items():
        monkeypatch.setitem(MODES, name, added)
    shown = sent(page.editing.panel(session))
    known = ADDED[mode]
    assert f'"{known.help if known.argument else known.title}"' in shown
    assert "not for the page" not in shown
    trying = change_of(list(range(30)), mode, 0.5, session.subject.width)
    changes = [Change((1, 2, 3, 40), "scale", 0.5), trying]
    assert str(trying) == f"30 neurons {known.title.format(factor=0.5)}"
    assert changes_of(json.loads(json.dumps([one.to_dict() for one in changes])), 60) == tuple(changes)
    measured = session.measure(changes)
    assert not torch.allclose(measured.logits, unchanged, atol=1e-3)
    printed: list[Any] = []
    source = f"interp.load_checkpoint({str(session.subject.source.path)!r})"
    exec(as_python(changes, source, session.subject.hook), {"print": printed.append})
    assert printed[0].to_dict() == pytest.approx(measured.accuracy.to_dict(), abs=1e-9)
    saved = interp.load_checkpoint(session.save(changes, tmp_path))
    logits = saved.model(saved.task.dataset.inputs).detach()
    torch.testing.assert_close(logits, measured.logits, rtol=1e-3, atol=1e-3)
    assert torch.equal(session.measure(()).logits, unchanged)


def test_an_added_column_is_shown_filtered_and_chosen_by(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = session.subject.table
    wide = replace(table, columns={**table.columns, "kurtosis": np.arange(60.0)})
    monkeypatch.setitem(COLUMNS, "kurtosis", Column("kurtosis", "bits", "How heavy its tails are."))
    assert "kurtosis (bits)" in sent(page.neurons.table_panel(wide))
    filters = {"kurtosis": {"type": "greaterThan", "filter": 57}}
    rows = rows_of(wide, {"startRow": 0, "endRow": 9, "filterModel": filters})["rowData"]
    assert [row["kurtosis"] for row in rows] == [58, 59]
    assert by_score(wide, "kurtosis", "below", 3) == [0, 1, 2]


def test_an_added_label_can_be_chosen_and_marked(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LABELS, "curious", replace(LABELS["dead"], colour="#123456"))
    label = session.subject.table["label"].astype(object)
    label[[4, 9]] = "curious"
    columns = {**session.subject.table.columns, "label": label}
    session.subject.__dict__["table"] = replace(session.subject.table, columns=columns)
    assert by_label(session.subject.table, "curious") == [4, 9]
    assert '"curious"' in sent(page.editing.panel(session))
    assert len(selected_points(session, {9})) == len(LABELS)
    assert selected_points(session, {9})[-1] == [1]
    assert len(scatter(session).data) == len(LABELS)


def test_an_added_split_has_a_card(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPLITS, "seen", replace(SPLITS["train"], title="seen before", meaning="Seen."))
    accuracy = session.measure(()).accuracy
    card = {getattr(card, "data-split"): card for card in layout.cards(accuracy, accuracy)}["seen"]
    assert getattr(card, "data-accuracy") == f"{accuracy['train']:.6f}"
    assert card.children[0].children == "seen before"
