"""The embedded cluster of `mcptasks demo`, `mcptasks dev` and the tests.

It serves the part of the Kubernetes API that mcptasks uses. For development and tests only:
objects live in memory, Pods are processes of the user that starts it.
"""

from mcptasks_embedded.cluster import ClusterConfig, ClusterError, EmbeddedCluster
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from mcptasks_embedded.controllers.job_decision import Backoff

__all__ = ["Backoff", "ClusterConfig", "ClusterError", "EmbeddedCluster", "EmbeddedClusterThread"]
