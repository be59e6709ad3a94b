"""How a job of ten thousand to a million parts runs on AWS, simulated: how long, for how much, and what stops it."""
