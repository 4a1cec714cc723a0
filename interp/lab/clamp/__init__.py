"""Neurons held while a network is trained: does generalisation still come, and when?"""
