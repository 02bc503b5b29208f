"""Export to SavedModel, TFLite and ONNX, and run what was exported in its own runtime.

`saved_model` and `tflite` write files, `quantize` stores their weights in fewer bits, `onnx` has
the same for ONNX, and `runtimes` holds the programs that run a file without Keras.
"""
