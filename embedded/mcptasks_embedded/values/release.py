"""The Kubernetes release whose behaviour is imitated."""

MAJOR, MINOR, PATCH = "1", "36", "0"
GIT_VERSION = f"v{MAJOR}.{MINOR}.{PATCH}+mcptasks.local"
