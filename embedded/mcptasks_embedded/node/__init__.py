"""The one node: its kubelet runs Pods as processes of this machine, with volumes, logs and limits.

Knows what a kubelet asks of an API server (`api`: tokens, log options, the version), and `objects`, `store` and
`values`. It must not know controllers.
"""
