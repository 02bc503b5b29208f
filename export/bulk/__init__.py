"""Translate or score many lines with the ONNX files of an export, without Keras and TensorFlow.

`settings` says what makes the output. `reading` turns the lines of a stream into ids, a bounded
number at a time, with `tokenizers`. `session` runs a file of the export on `batches` of lines;
with it, `translating` and its `search` make translations, and `scoring` makes scores: the `parts`
of the output. `tasks` chooses. `stream` goes from standard input to standard output. `folder`
decides what is to do for a folder of files, `shards` does it for one file, and `files` opens files,
compressed or not.
"""
