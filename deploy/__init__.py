"""What ecr_push.py is made of: an image, a registry, a function's release, and what may be thrown away."""
