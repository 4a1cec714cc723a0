"""Are classes separated by generalizing neurons and not by memorizing ones, and word classes by hidden states?"""
