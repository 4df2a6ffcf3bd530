"""What the operator knows of the cluster, and which task to look at next."""
