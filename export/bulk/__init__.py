"""Translate many lines from the ONNX files of an export, without Keras and TensorFlow.

`settings` says what makes the translations, `tokenizers` and `search` use the files of the export,
`batches` groups lines, and `parts` translates the lines of a stream, a bounded number at a time.
`stream` goes from standard input to standard output. `folder` decides what is to do for a folder of
files, `shards` does it for one file, and `files` opens files, compressed or not. `progress` tells
how far it is.
"""
