"""The models and sentences of the page docs/play."""
