"""The sides of a comparison: a program for each, which runs in an environment of its own."""
