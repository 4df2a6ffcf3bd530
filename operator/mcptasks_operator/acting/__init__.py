"""Carries out what was decided: the writes to the cluster, and the reads that a decision asks for."""
