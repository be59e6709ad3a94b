"""Proves the product in an AWS account, and removes what it made there: see __main__.py and docs/prove-on-aws.md."""
