"""Do examples share more neurons than chance, and memorised ones a subspace; similarity-preserving codes."""

"codes."
