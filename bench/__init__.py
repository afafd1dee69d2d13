"""The speeds of the hot paths beside their physical floors: `python -m bench`; see README.md."""
