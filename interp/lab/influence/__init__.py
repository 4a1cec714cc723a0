"""Training examples that are memorised: how much each one's own presence matters."""
