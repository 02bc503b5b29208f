"""Runs every artefact of an export in its own runtime and compares it with the Keras model.

The runners (`run_tensorflow`, `run_litert`, `run_onnx`) are started as processes of their own, so
that what is measured is what an application gets: nothing here imports Keras for them.
"""
