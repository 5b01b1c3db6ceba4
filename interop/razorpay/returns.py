"""The values that a checkout sends back, judged by Razorpay's own Python SDK."""

import razorpay
from lines import KEY_ID, KEY_SECRET, converse
from razorpay.errors import SignatureVerificationError

client = razorpay.Client(auth=(KEY_ID, KEY_SECRET))


def answer(command):
    try:
        return {"ok": client.utility.verify_payment_signature(command["values"])}
    except SignatureVerificationError:
        return {"ok": False}


converse(answer)
