"""Do two examples share more neurons than chance, and do memorised ones share a subspace; similarity-preserving codes."""
