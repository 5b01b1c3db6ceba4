"""Signs, sends and verifies requests with the Python library http-message-signatures."""

import requests
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    InvalidSignature,
    MappingKeyResolver,
    algorithms,
)
from lines import KEY_ID, KEY_SECRET, TARGET, converse

keys = {KEY_ID: KEY_SECRET.encode()}
resolver = MappingKeyResolver(public_keys=keys, private_keys=keys)
signer = HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=resolver)
verifier = HTTPMessageVerifier(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=resolver)
session = requests.Session()
prepared = None


def prepare(command, headers):
    body = command.get("body")
    data = None if body is None else body.encode()
    return requests.Request(command["method"], TARGET + command["path"], headers=headers, data=data).prepare()


def sign(command):
    global prepared
    prepared = prepare(command, {"Content-Type": "application/json"} if command.get("body") else {})
    components = command["components"]
    # Given the body, the library makes the digest and covers it, wanted or not.
    body = prepared.body if "content-digest" in components else None
    signer.sign(prepared, key_id=KEY_ID, covered_component_ids=components, nonce=command.get("nonce"), body=body)
    return {"headers": dict(prepared.headers)}


def send():
    response = session.send(prepared)
    return {"status": response.status_code, "body": response.text}


def verify(command):
    request = prepare(command, command["headers"])
    try:
        results = verifier.verify(request, require_components=command["components"], body=request.body)
    except InvalidSignature as error:
        return {"verified": False, "message": str(error)}
    return {"verified": len(results) == 1}


def answer(command):
    match command["do"]:
        case "sign":
            return sign(command)
        case "send":
            return send()
        case "verify":
            return verify(command)


converse(answer)
