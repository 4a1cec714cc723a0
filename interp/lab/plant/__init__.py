"""A sequence planted in a few known neurons of a language model: which methods find them?"""
