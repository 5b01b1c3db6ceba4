"""The library of Standard Webhooks for Python looks at a delivery."""

import binascii

from lines import KEY_SECRET, converse
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(KEY_SECRET)


def answer(command):
    try:
        webhook.verify(command["body"], command["headers"], json_parse=False)
        return {"accepted": True}
    # What is no base 64, and what has no comma, is an error of the libraries below it.
    except (WebhookVerificationError, binascii.Error, ValueError) as error:
        return {"accepted": False, "error": str(error)}


converse(answer)
