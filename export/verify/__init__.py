"""Run every artefact of an export in its own runtime, and compare it with the Keras model.

Each runner (`run_tensorflow`, `run_litert`, `run_onnx`, ...) is a separate process that does not
import Keras, so that the results are those of an application.
"""
