"""The worker Pod: an agent that asks for work, and processes with the module loaded that run one task each."""
