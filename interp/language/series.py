"""Checkpoints of one language model over its training, told by the names of their folders; PyTorch is not loaded."""

from __future__ import annotations

from pathlib import Path

from interp.checkpoints.series import numbered_folders
from interp.errors import CheckpointError
from interp.files import beside_missing
from interp.language.source import is_language_model

EXPECTED = (
    "subfolders named by their step, such as step-100 or checkpoint-100, each with config.json and weights"
)


def language_series(folder: Path | str) -> dict[int, Path]:
    """Checkpoints of a folder by step, ascending.

    Args:
        folder: With a subfolder for each checkpoint, written by ``save_pretrained``; others are passed over.

    Raises:
        CheckpointError: There is no such folder, no language model in it, one without a step in its name, or two of a
            step.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("step-20", "step-3"):
        ...         place = Path(folder, name)
        ...         place.mkdir()
        ...         _ = (place / "config.json").write_text('{"model_type": "llama"}')
        ...     list(language_series(folder))
        [3, 20]
    """
    path = Path(folder)
    if not path.is_dir():
        kind = "is a file" if path.exists() else f"does not exist; {beside_missing(path)}"
        raise CheckpointError(f"the series {str(path)!r} {kind}; expected a folder with {EXPECTED}")
    models = [place for place in sorted(path.iterdir()) if place.is_dir() and is_language_model(place)]
    if not models:
        own = " It is one language model itself: give the folder above it." if is_language_model(path) else ""
        raise CheckpointError(f"the folder {str(path)!r} holds no language models; expected {EXPECTED}.{own}")
    numbered = [(step, place) for step, place in numbered_folders(path) if place in models]
    if not numbered:
        raise CheckpointError(
            f"no language model in {str(path)!r} has a step in its name (the first is {models[0].name!r}); "
            f"expected {EXPECTED}"
        )
    series: dict[int, Path] = {}
    for step, place in numbered:
        if step in series:
            raise CheckpointError(
                f"the folder {str(path)!r} holds two checkpoints of step {step}, {series[step].name!r} and "
                f"{place.name!r}; move one away"
            )
        series[step] = place
    return series
