"""An org that counts what it gets, a hostile web server, and a relay that sees what browsers send."""

import json
import queue
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent

# What only the org knows.
SECRET = "canary-of-the-org"

SESSION = "00D000000000001!canary.session"


class Org:
    """Gives a session to anybody, and answers everything."""

    def __init__(self, folder):
        openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        authority = ["-addext", "basicConstraints=critical,CA:FALSE"]
        files = ["-keyout", folder / "org.key", "-out", folder / "org.pem"]
        subprocess.run([*openssl, *name, *authority, *files], check=True, capture_output=True)
        self.received = received = []
        self.connections = 0
        self.page = b""
        org = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                org.connections += 1

            def answer(self):
                length = int(self.headers.get("content-length", 0))
                self.rfile.read(length)
                received.append(f"{self.command} {self.path}")
                if self.path == "/services/oauth2/token":
                    body = {
                        "access_token": SESSION,
                        "instance_url": org.url,
                        "token_type": "Bearer",
                        "id": f"{org.url}/id/00D000000000001/005000000000001",
                    }
                    kind, body = "application/json", json.dumps(body).encode()
                elif self.path.split("?")[0] == "/services/data/v62.0/page":
                    kind, body = "text/html", org.page
                else:
                    kind, body = "application/json", json.dumps({"secret": SECRET}).encode()
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "org.pem", folder / "org.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Hostile:
    """Serves its page under whatever name, and hears what became of it."""

    def __init__(self):
        self.reports = reports = queue.Queue()
        self.loaded = loaded = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/loaded":
                    loaded.put(self.path)
                url = urllib.parse.urlsplit(self.path)
                if url.path == "/moved":
                    self.send_response(302)
                    self.send_header("location", urllib.parse.parse_qs(url.query)["to"][0])
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                kind, body = served(self.path)
                self.send_response(200 if body else 404)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(204)
                self.end_headers()
                if self.path == "/report":
                    reports.put(json.loads(body))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def served(path):
    path = path.split("?")[0]
    if path == "/worker.js":
        return "text/javascript", (HERE / "worker.js").read_bytes()
    if path == "/":
        return "text/html", (HERE / "hostile.html").read_bytes()
    return "text/plain", b""


class Relay:
    """A port that leads to another, and keeps what goes through it."""

    def __init__(self, port):
        self.leads_to = port
        self.streams = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            stream = (bytearray(), bytearray())
            with self.lock:
                self.streams.append(stream)
            try:
                server = socket.create_connection(("127.0.0.1", self.leads_to))
            except OSError:
                # What it leads to has gone, and a page still asks.
                client.close()
                continue
            for one, other, kept in [(client, server, stream[0]), (server, client, stream[1])]:
                threading.Thread(target=pump, args=(one, other, kept), daemon=True).start()

    def exchanges(self):
        """Each head of a request, and the head of its answer."""
        found = []
        with self.lock:
            streams = [(bytes(asked), bytes(answered)) for asked, answered in self.streams]
        for asked, answered in streams:
            # Not one that is asked within the body of another.
            requests = re.findall(rb"(?m)^[A-Z]+ /\S* HTTP/1\.1\r\n(?:[^\r\n]+\r\n)*\r\n", asked)
            answers = re.findall(rb"HTTP/1\.1 \d+[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n", answered)
            texts = ([head.decode("latin1") for head in heads] for heads in (requests, answers))
            requests, answers = texts
            answers += [""] * (len(requests) - len(answers))
            found += zip(requests, answers)
        return found

    def said(self):
        with self.lock:
            return b"".join(bytes(answered) for _, answered in self.streams).decode("latin1")


def pump(one, other, kept):
    try:
        while data := one.recv(65536):
            kept.extend(data)
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
