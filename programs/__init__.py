"""What the programs of `training` and `export` share; it starts at once and needs no Keras."""
