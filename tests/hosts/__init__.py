"""Training on several devices and in several processes, on JAX: `make test-backends` runs it.

KERAS_BACKEND=jax pytest tests/hosts
"""
