"""Pictures of the documentation, made of real runs."""
