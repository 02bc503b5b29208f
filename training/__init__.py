"""Recipes: data, training, evaluation and plots for models built from `keras_attention`."""
