"""Communities of neurons that act together, bricks, core neurons and hyperactive ones."""
