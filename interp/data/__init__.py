"""Tasks: operations modulo p, and every input pair with its labels and splits."""

from interp.data.datasets import AS_TRAINED, SPLITS, Dataset, ModularTask, Task
from interp.data.operations import OPERATIONS, Ordering, group_ordering, operation_table, primitive_root

__all__ = [
    "AS_TRAINED",
    "OPERATIONS",
    "SPLITS",
    "Dataset",
    "ModularTask",
    "Ordering",
    "Task",
    "group_ordering",
    "operation_table",
    "primitive_root",
]
