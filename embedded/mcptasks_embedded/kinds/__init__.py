"""What is particular to a kind of object: names, fields, schemas, defaults, validation; built-in and custom kinds.

Knows `values`. It must not know stored objects, nor when its rules are applied.
"""
