"""One module a decoder, each with `VERSION` and a class `Movie`: see base.py."""
