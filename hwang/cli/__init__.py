"""The command line, `python -m hwang`: a file per command, and what they share. `import hwang` loads none of it."""
