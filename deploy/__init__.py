"""Parts of ecr_push.py: images, registries, releases of functions, and the output of commands."""
