"""Attention heads held while induction heads form: is the phase change delayed or brought forward?"""
