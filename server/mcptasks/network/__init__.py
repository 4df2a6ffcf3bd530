"""What all that speaks HTTP shares: which addresses are this machine itself."""
