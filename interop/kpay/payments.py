"""KPay's documented calls in Python, with the header names as given."""

import requests
from lines import KEY_ID, KEY_SECRET, TARGET, converse

session = requests.Session()


def call(method, path, headers, body=None):
    response = session.request(method, TARGET + path, headers=headers, json=body)
    return {"status": response.status_code, "body": response.json()}


def answer(command):
    key_name, secret_name = command.get("names", ["X-API-Key", "X-Secret-Key"])
    pair = {key_name: KEY_ID, secret_name: KEY_SECRET}
    match command["do"]:
        case "init":
            return call("POST", "/api/v1/payments/init", pair, command["body"])
        case "me":
            return call("GET", "/api/v1/payments/me", pair)
        case "fetch":
            return call("GET", f"/api/v1/payments/{command['id']}", pair)
        case "token":
            return call("POST", "/api/v1/payments/token", pair)
        case "transfer":
            token = command.get("token")
            headers = {"Authorization": f"Bearer {token}"} if token else pair
            return call("POST", "/api/wallets/transfer", headers, command["body"])


converse(answer)
