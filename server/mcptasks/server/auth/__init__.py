"""Authentication of the endpoint's callers by settings: the user's server needs no code for it."""
