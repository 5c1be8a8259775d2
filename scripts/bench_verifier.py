"""What it takes to verify a delivery, beside the bare signature check that nobody can do without."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from shipengine_tracking._signature import KeyRing, check_signature, read_signature
from shipengine_tracking.testing.deliveries import Signer, update
from shipengine_tracking.webhooks import Verifier

BLOCKS, CALLS = 30, 100


def measured(*calls: Callable[[], object]) -> list[float]:
    """Return the CPU seconds of each call: measured in turn, the medians of the blocks."""
    spent: list[list[float]] = [[] for _ in calls]
    for block in range(BLOCKS + 1):
        for call, seconds in zip(calls, spent, strict=True):
            began = time.process_time()
            for _ in range(CALLS):
                call()
            if block:  # the first is for warming up
                seconds.append((time.process_time() - began) / CALLS)
    return [statistics.median(seconds) for seconds in spent]


def main() -> None:
    """Print the CPU seconds of the bare check, of all that comes before the parsing, and of all."""
    signer, stamp = Signer(), datetime.now(UTC).isoformat()
    body = json.dumps(update("1Z", "ups", "IT", "https://api.shipengine.com", datetime.now(UTC))).encode()
    headers = {f"X-Other-{number}": "something" for number in range(12)} | signer.sign(body, stamp)
    verifier, keys = Verifier(signer.jwks(), tolerance=3600), KeyRing(signer.jwks())
    key, padding, algorithm = generate_private_key(65537, 2048), PKCS1v15(), SHA256()
    public, message = key.public_key(), stamp.encode() + b"." + body
    signature = key.sign(message, padding, algorithm)
    seconds = measured(
        lambda: public.verify(signature, message, padding, algorithm),
        lambda: check_signature(read_signature(headers, body, 3600, time.time()), keys),
        lambda: verifier.verify(headers, body),
    )
    print(json.dumps(dict(zip(("bare", "signature", "all"), seconds, strict=True))))


if __name__ == "__main__":
    main()
