"""Measures hwang beside other decoders and beside the limit of the libraries: see docs/bench.md."""
