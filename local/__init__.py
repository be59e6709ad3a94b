"""Running the function on this machine."""
