"""Orders by Razorpay's own Python SDK."""

import razorpay
from lines import KEY_ID, KEY_SECRET, TARGET, converse
from razorpay.errors import BadRequestError, GatewayError, ServerError

client = razorpay.Client(auth=(KEY_ID, KEY_SECRET), base_url=TARGET)


def call(command):
    match command["do"]:
        case "create":
            return client.order.create(command["order"])
        case "fetch":
            return client.order.fetch(command["id"])
        case "all":
            return client.order.all(command["options"])


def answer(command):
    try:
        return {"ok": call(command)}
    # Everything that the SDK raises for an answer that is not 2xx; there is no error of its own for authentication.
    except (BadRequestError, GatewayError, ServerError) as error:
        return {"error": type(error).__name__, "message": str(error)}


converse(answer)
