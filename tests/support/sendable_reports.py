"""Reports of tests as the processes of `-n` can send them."""

from __future__ import annotations


def sendable(report: object) -> object:
    """What a report has been made into, with half characters (`\\udce9`) written out as their escapes: pure."""
    match report:
        case str():
            return report.encode(errors="backslashreplace").decode()
        case dict():
            return {sendable(key): sendable(value) for key, value in report.items()}
        case list():
            return [sendable(each) for each in report]
        case tuple():
            return tuple(sendable(each) for each in report)
    return report
