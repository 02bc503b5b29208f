"""The sides of a comparison: one program each, which runs in its own environment."""
