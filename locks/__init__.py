"""The locks: for each requirements file the packages that it brings, their versions and hashes.

`files` says which requirements have a lock, where it lies and what it begins with; `__main__`
installs requirements into the environment of its interpreter, and makes the locks anew. The folders
are those of the requirements: the lock of `tests/servers/requirements.txt` is
`locks/tests/servers/requirements.txt`.
"""
