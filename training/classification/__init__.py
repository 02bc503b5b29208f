"""A text classifier: `classifier` trains it, `picture` draws its attention weights."""
