"""Razorpay's own Python SDK looks at a delivery: `client.utility.verify_webhook_signature`."""

import razorpay
from lines import KEY_SECRET, converse
from razorpay.errors import SignatureVerificationError

client = razorpay.Client(auth=("", ""))


def answer(command):
    signature = command["headers"]["x-razorpay-signature"]
    try:
        client.utility.verify_webhook_signature(command["body"], signature, KEY_SECRET)
        return {"accepted": True}
    except SignatureVerificationError:
        return {"accepted": False}


converse(answer)
