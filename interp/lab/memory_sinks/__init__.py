"""Neurons that are on for repeated sequences only while a language model is trained: do the labels name them?"""
