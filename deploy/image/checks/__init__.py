"""What Lambda wants of an image: small checks, a few in each module. `deploy.image.findings` goes through them."""
