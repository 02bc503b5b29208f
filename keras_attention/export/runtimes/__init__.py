"""Programs that run an exported file in its runtime, without Keras and without this package.

Each is started by its path: this folder then comes first on Python's path, so that a program finds
`runner` here. Nothing here may have the name of a package, nor import this one.
"""
