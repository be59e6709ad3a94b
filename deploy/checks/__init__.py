"""What Lambda wants of an image, a few small checks in each module. `deploy.image.findings` goes through all of them."""
