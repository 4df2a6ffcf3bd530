"""What a task needs next, decided from facts alone: no I/O, no clock."""
