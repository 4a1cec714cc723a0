"""What is put around long computations is taken away again."""

from __future__ import annotations
