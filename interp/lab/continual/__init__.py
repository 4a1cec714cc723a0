"""Tasks learnt one after another: what is forgotten, and what each method does about it."""
