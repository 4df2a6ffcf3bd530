"""The fault matrix: each component is killed while tasks are at each step of their life; `make faults` runs it."""
