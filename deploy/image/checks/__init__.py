"""Lambda's requirements of an image, as small checks. `deploy.image.findings` runs them."""
