"""The program that runs one attempt to its end, whether the server lives or not.

Its parts are joined into one file before they run (see `bundle.py`), so every name at their top level must be unique.
They import next to nothing, because the start of Python is most of what a short job costs; they never import the
application; and they use the private twins of `signal` and `ctypes`, which load in a tenth of the time.
"""
