"""An OTLP collector over HTTP: takes /v1/traces and /v1/logs on a free port of this machine and reads them with the messages
that the OpenTelemetry project publishes for Python.

The first line it prints is the port; every export that it takes is a line after that. The first one of each kind is refused,
as a busy collector would: the sender has to come back.
"""

import http.server
import json
import sys

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

messages = {"/v1/traces": ExportTraceServiceRequest, "/v1/logs": ExportLogsServiceRequest}
seen = set()


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_first = self.path not in seen
        seen.add(self.path)
        self.send_response(503 if is_first else 200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()
        if is_first:
            return
        message = messages[self.path]()
        message.ParseFromString(body)
        say(
            path=self.path,
            content_type=self.headers["Content-Type"],
            authorization=self.headers["Authorization"],
            unknown=len(message.SerializeToString()) != len(body),
            message=MessageToDict(message),
        )

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
say(port=server.server_port)
server.serve_forever()
