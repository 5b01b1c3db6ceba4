"""One JSON line in, one JSON line out: how a test talks to a client."""

import json
import os
import sys

TARGET = os.environ["KEYMINT_TARGET"]
KEY_ID = os.environ["KEYMINT_KEY_ID"]
KEY_SECRET = os.environ["KEYMINT_KEY_SECRET"]


def converse(answer):
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
