"""The command line, runs, evaluation, the translator."""
