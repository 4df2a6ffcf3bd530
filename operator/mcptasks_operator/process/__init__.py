"""The operator as a process: start, leader election, health and stop."""
