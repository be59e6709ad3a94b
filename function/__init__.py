"""The Lambda function: frames of a video in S3, by an event, into S3."""
