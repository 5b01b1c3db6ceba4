"""A mail server (aiosmtpd) and a receiver of text messages (http.server) on free ports of this machine.

The first line it prints is the two ports; every letter it takes is a line after that. The first delivery of each kind is
refused, as a busy server would: the sender has to come back.
"""

import base64
import email
import email.policy
import http.server
import json
import socket
import sys
import threading
import urllib.parse

from aiosmtpd.controller import Controller

seen = {"mail": 0, "sms": 0}


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Mail:
    async def handle_DATA(self, server, session, envelope):
        seen["mail"] += 1
        if seen["mail"] == 1:
            return "451 4.3.0 come back later"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say(
            kind="mail",
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            subject=message["Subject"],
            shown_from=message["From"],
            text=message.get_content(),
        )
        return "250 2.0.0 taken"


class Sms(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        seen["sms"] += 1
        self.send_response(503 if seen["sms"] == 1 else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if seen["sms"] > 1:
            scheme, _, proof = self.headers["Authorization"].partition(" ")
            form = dict(urllib.parse.parse_qsl(body))
            say(kind="sms", path=self.path, scheme=scheme, proof=base64.b64decode(proof).decode(), form=form)

    def log_message(self, *_):
        pass


def free_port():
    # The controller greets its own port to see that it serves, so it has to know it.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


mail = Controller(Mail(), hostname="127.0.0.1", port=free_port())
mail.start()
sms = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sms)
threading.Thread(target=sms.serve_forever, daemon=True).start()
say(smtp=mail.port, http=sms.server_address[1])
sys.stdin.read()
