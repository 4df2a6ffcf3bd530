"""The Kubernetes release that this cluster imitates."""

MAJOR, MINOR, PATCH = "1", "36", "0"
GIT_VERSION = f"v{MAJOR}.{MINOR}.{PATCH}+mcptasks.local"
