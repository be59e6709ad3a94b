"""Servers that misbehave on purpose: a proxy that breaks what goes through it, and a web server with bad habits."""
