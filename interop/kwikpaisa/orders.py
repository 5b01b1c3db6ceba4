"""KwikPaisa's rule for signatures in Python: keys sorted recursively, json.dumps, HMAC-SHA256.

The page names Python without showing how it encodes, so both ways that integrators write are here.
"""

import hashlib
import hmac
import json
import time

import requests
from lines import KEY_ID, KEY_SECRET, TARGET, converse

STYLES = {
    "default": {"sort_keys": True},
    "compact": {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False},
}
session = requests.Session()


def sign(command):
    payload = command["payload"]
    if command["style"] == "as_given":
        signed = plain = payload
    else:
        data = json.loads(payload)
        signed = json.dumps(data, **STYLES[command["style"]])
        plain = json.dumps(data)
    timestamp = str(command.get("timestamp", int(time.time())))
    signature = hmac.new(KEY_SECRET.encode(), (signed + timestamp).encode(), hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "X-API-KEY": KEY_ID,
        "X-SIGNATURE": signature,
        "X-TIMESTAMP": timestamp,
    }
    return {"headers": headers, "signed": signed, "plain": plain}


def send(command):
    response = session.post(TARGET + command["path"], data=command["body"].encode(), headers=command["headers"])
    return {"status": response.status_code, "body": response.text}


converse(lambda command: sign(command) if command["do"] == "sign" else send(command))
