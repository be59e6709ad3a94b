"""Putting images into a registry, and finding what is there."""
