"""The growth laws beside their physical floors, in one run: `python -m bench`; docs/bench.md says what is what.

Each suite has a file and a database of its own; report.py lists them. A goal is a ratio or a count, never seconds.
"""
