"""`helm test`: endpoint and gateway answer through their Services, the endpoint in sync with the API server."""

import os
import sys
import time
import urllib.error
import urllib.request

SECONDS = 60


def wait_for(url: str) -> None:
    """Ask until the answer is 200. Exits with the last error where it is not in time."""
    give_up_at = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                sys.stdout.write(f"{url}: {answer.status} {answer.read().decode()}\n")
                return
        except urllib.error.URLError as error:
            if time.monotonic() > give_up_at:
                sys.exit(f"{url}: {error}")
            time.sleep(1)


wait_for(os.environ["ENDPOINT"] + "/readyz")
wait_for(os.environ["GATEWAY"] + "/healthz")
