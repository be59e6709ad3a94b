"""Long runs through one container: in full with SOAK=1, at a tenth otherwise."""
