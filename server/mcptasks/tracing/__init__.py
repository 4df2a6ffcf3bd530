"""One trace from the call to the tool: OpenTelemetry's spans of client, server, operator and task process.

The API package alone is needed. Whether spans are made, and where they go, is said by OpenTelemetry's own variables
(`OTEL_EXPORTER_OTLP_ENDPOINT` and the like), and takes the extra `otel`.
"""
