#!/usr/bin/env bash
# tritonclient's keepalive_timeout_ms changes nothing: a connection that has gone quiet is given up after 60 s
#
# Versions:   tritonclient 2.73.0, grpcio 1.85.3; Linux x86-64, Python 3.11
# Expected:   as KeepAliveOptions and gRPC's guide say: without an answer to a ping within keepalive_timeout_ms (20 s
#             by default) the connection is closed.
# Seen:       after 60 s, whatever it says. gRPC waits for the answer as long as grpc.http2.ping_timeout_ms says, which
#             neither names and KeepAliveOptions cannot set. (Where the other machine is gone, so that its system does
#             not answer either, keepalive_timeout_ms works: it is TCP_USER_TIMEOUT. Not shown here.)
# Output:     keepalive_time_ms 2 s, keepalive_timeout_ms 3 s: given up after 62 s: UNAVAILABLE
#             the same with grpc.http2.ping_timeout_ms 3 s: given up after 5 s: UNAVAILABLE
# Why:        a server that hangs, or whose proxy has lost it, costs each call a minute more than was asked for.
# What to do: channel_args with the three of them. Mind that a ping waits behind an image on a slow line.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check 'tritonclient[grpc]==2.73.0' grpcio==1.85.3 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
GRPC_VERBOSITY=NONE venv/bin/python - <<'PY'
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

asked = threading.Event()  # from then on nothing is handed on
over = threading.Event()


def live(request, context):
    asked.set()
    over.wait()
    return b""


server = grpc.server(ThreadPoolExecutor(4))
handlers = {"ServerLive": grpc.unary_unary_rpc_method_handler(live)}
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("inference.GRPCInferenceService", handlers)])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
between = socket.create_server(("127.0.0.1", 0))


def hand_on(source, target):
    while data := source.recv(65536):
        if not asked.is_set():
            target.sendall(data)


def connect():
    while True:
        near, _ = between.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for ends in ((near, far), (far, near)):
            threading.Thread(target=hand_on, args=ends, daemon=True).start()


threading.Thread(target=connect, daemon=True).start()
url = f"127.0.0.1:{between.getsockname()[1]}"


def given_up_after(**options):
    asked.clear()
    client = triton.InferenceServerClient(url, **options)
    begun = time.monotonic()
    try:
        client.is_server_live(client_timeout=100)
    except InferenceServerException as error:
        return round(time.monotonic() - begun), str(error.status()).removeprefix("StatusCode.")
    return None, "answered"


named = triton.KeepAliveOptions(keepalive_time_ms=2000, keepalive_timeout_ms=3000)
first = given_up_after(keepalive_options=named)
print("keepalive_time_ms 2 s, keepalive_timeout_ms 3 s: given up after {} s: {}".format(*first))
three = {"keepalive_time_ms": 2000, "keepalive_timeout_ms": 3000, "http2.ping_timeout_ms": 3000}
second = given_up_after(channel_args=[(f"grpc.{name}", value) for name, value in three.items()])
print("the same with grpc.http2.ping_timeout_ms 3 s: given up after {} s: {}".format(*second))
as_stated = first[0] in range(60, 66) and second[0] in range(4, 9) and {first[1], second[1]} == {"UNAVAILABLE"}
over.set()
if not as_stated:
    sys.exit("CHANGED: quiet connections are not given up as stated")
print("AS STATED")
PY
