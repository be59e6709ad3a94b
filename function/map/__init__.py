"""The former name of function.jobs; gone with the next major version."""
