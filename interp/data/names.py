"""The splits of a task's examples by name."""

SPLITS = ("train", "clean", "corrupted_as_labelled", "corrupted_as_true", "test", "all")
"""Where a network is measured."""
AS_TRAINED = SPLITS[:3]
"""The splits that compare with the labels as trained on; the others compare with the true ones."""
