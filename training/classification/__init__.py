"""A classifier of texts: `classifier` trains it, `picture` shows where its attention looked."""
