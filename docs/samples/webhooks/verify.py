"""Checks the signature of a webhook. Take the function of your product; call it with the body as it came, byte for byte,
before you parse it. Python 3.10 or newer; key pairs need the package `cryptography`."""

import base64
import binascii
import hashlib
import hmac
import os
import re
import sys
import time

TOLERANCE_SECONDS = 300


def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def same(a, b):
    return hmac.compare_digest(a.encode(), b.encode())


def is_fresh(timestamp, now):
    return re.fullmatch(r"[0-9]{1,12}", timestamp) is not None and abs(now - int(timestamp)) <= TOLERANCE_SECONDS


def razorpay(secret, signature, body):
    """X-Razorpay-Signature; `secret` is the endpoint's."""
    return secret != "" and same(signature, mac(secret.encode(), body).hex())


def kpay(secret, signature, body):
    """X-KPAY-Signature; `secret` is the endpoint's."""
    return secret != "" and same(signature, mac(secret.encode(), body).hex())


def kwikpaisa(secret, signature, timestamp, body, now):
    """X-SIGNATURE and X-TIMESTAMP; `secret` is that of your API key."""
    expected = mac(secret.encode(), body, timestamp.encode()).hex()
    return secret != "" and is_fresh(timestamp, now) and same(signature, expected)


def keymint(secret, signature, timestamp, id, body, now):
    """webhook-signature, webhook-timestamp and webhook-id (Standard Webhooks 1.0); `secret` is `whsec_…`, or the public key
    `whpk_…`. While a secret is rolled there are several signatures: one of them is enough."""
    if not is_fresh(timestamp, now):
        return False
    kind, _, text = secret.partition("_")
    key = base64.b64decode(text)
    message = f"{id}.{timestamp}.".encode() + body
    signatures = [one.partition(",")[::2] for one in signature.split(" ")]
    if kind == "whsec" and key:
        expected = base64.b64encode(mac(key, message)).decode()
        return any(version == "v1" and same(text, expected) for version, text in signatures)
    if kind == "whpk" and len(key) == 32:
        return any(version == "v1a" and is_by(key, text, message) for version, text in signatures)
    return False


def is_by(public_key, signature, message):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(base64.b64decode(signature), message)
        return True
    except (InvalidSignature, binascii.Error):
        return False


def main():
    """From the command line: the product, and the rest in the environment; the body comes in."""
    secret, signature, timestamp, id, now = (os.environ.get(name, "") for name in ("SECRET", "SIGNATURE", "TIMESTAMP", "ID", "NOW"))
    body, now = sys.stdin.buffer.read(), float(now or time.time())
    match sys.argv[1]:
        case "razorpay":
            return razorpay(secret, signature, body)
        case "kpay":
            return kpay(secret, signature, body)
        case "kwikpaisa":
            return kwikpaisa(secret, signature, timestamp, body, now)
        case "keymint":
            return keymint(secret, signature, timestamp, id, body, now)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
