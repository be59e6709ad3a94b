"""The command line, `python -m hwang`. `import hwang` loads none of it."""
