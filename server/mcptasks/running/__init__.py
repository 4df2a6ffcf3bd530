"""The parts of the runner process: signals, the main thread's work, the loop beside it, the way to the gateway."""
