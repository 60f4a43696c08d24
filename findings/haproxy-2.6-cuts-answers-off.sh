#!/usr/bin/env bash
# HAProxy 2.6 passes on a gRPC answer without its end where the server asks to connect anew by its connection's age
#
# Versions:   HAProxy 2.6.12 (Debian 12's package, installed), grpcio 1.85.3; Linux, Python 3.10 or later
# Expected:   a server that ends its connections by age (grpc.max_connection_age_ms; Triton's
#             --grpc-max-connection-age) answers what is under way, so that behind a proxy nothing is lost either.
# Seen:       of answers of 100 kB some arrive without trailers, as UNKNOWN, "Stream removed"; HAProxy counts the
#             server's abort and HTTP 200. A client that calls the server itself gets all. With max-reuse 0, a
#             connection for each call, all arrive.
# Output:     called itself, all came: True
#             behind HAProxy, all came: False
#             behind HAProxy with max-reuse 0, all came: True
# Why:        --grpc-max-connection-age is how gRPC clients come to know new servers of a name. Behind HAProxy it loses
#             answers with a mask of a mammogram now and then, under a status that is not tried again.
# What to do: max-reuse 0 on the server lines, or no connection age behind HAProxy; try again after "Stream removed".

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
if ! haproxy -v 2>/dev/null | grep -q '^HAProxy version 2\.6\.'; then
  echo "CANNOT RUN: HAProxy 2.6 is not installed" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > check.py <<'PY'
import os
import pathlib
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

os.environ["GRPC_VERBOSITY"] = "NONE"
import grpc


def slowly(request, context):
    time.sleep(0.3)
    return bytes(100_000)


def unused():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def all_came(address):
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(4) as pool:
        call = channel.unary_unary("/any/slowly")

        def came(_):
            try:
                return len(call(bytes(200_000), timeout=20, wait_for_ready=True)) == 100_000
            except grpc.RpcError:
                return False

        return all(pool.map(came, range(120)))


handler = grpc.unary_unary_rpc_method_handler(slowly)
server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_connection_age_ms", 1000)])
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("any", {"slowly": handler})])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print("called itself, all came:", all_came(f"127.0.0.1:{port}"), flush=True)
for extra in ("", " with max-reuse 0"):
    front = unused()
    pathlib.Path("haproxy.cfg").write_text(f"""defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:{front} proto h2
  default_backend servers
backend servers
  server one 127.0.0.1:{port} proto h2 {extra.removeprefix(" with")}
""")
    proxy = subprocess.Popen(["haproxy", "-db", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
    try:
        print(f"behind HAProxy{extra}, all came:", all_came(f"127.0.0.1:{front}"), flush=True)
    finally:
        proxy.kill()
        proxy.wait()
server.stop(None)
PY
"${PYTHON:-python3}" -m venv venv
if ! venv/bin/pip install -qq --no-compile --disable-pip-version-check grpcio==1.85.3; then
  echo "CANNOT RUN: the packages were not installed" >&2
  exit 2
fi
seen=$(venv/bin/python check.py)
echo "$seen"
if [ "$seen" != "called itself, all came: True
behind HAProxy, all came: False
behind HAProxy with max-reuse 0, all came: True" ]; then
  echo "CHANGED: answers arrive otherwise than stated" >&2
  exit 1
fi
echo "AS STATED"
