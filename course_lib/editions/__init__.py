"""Editions of the course: the library from the notebooks."""
