"""Jobs as on AWS: Step Functions and Lambda emulated, the real image in a container for every part under way."""
