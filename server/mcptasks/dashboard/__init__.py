"""The dashboard: pages that show tasks and what becomes of them, to those who may see them."""
