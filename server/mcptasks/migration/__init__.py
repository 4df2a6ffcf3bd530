"""Moves programs written for FastMCP over. Pure: text in, text and findings out. Needs the extra `migrate`."""
