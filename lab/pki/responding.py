"""A responder: lists of the revoked, and OCSP's answers, made before. Runs on a lab host, with its own Python.

In: a directory and a port. Out: HTTP over both families. GET gives a file; an OCSP question, by POST or in a GET's path
(RFC 6960, appendix A.1), gives the file that is called as the serial number in it.
"""

import base64
import socket
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_UNAUTHORIZED = bytes.fromhex("30030a0106")
"""OCSP's word for: not one of mine."""
_OCSP = "/ocsp"


class Responder(BaseHTTPRequestHandler):
    """Answers one request."""

    directory: Path

    def do_GET(self) -> None:
        """A file, or an OCSP question in Base64."""
        if self.path.startswith(f"{_OCSP}/"):
            self.answer(self.of(base64.b64decode(urllib.parse.unquote(self.path[len(_OCSP) + 1 :]))), "ocsp-response")
            return
        file = self.directory / Path(self.path).name
        if file.is_file():
            self.answer(file.read_bytes(), "pkix-crl")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """An OCSP question."""
        self.answer(self.of(self.rfile.read(int(self.headers["Content-Length"]))), "ocsp-response")

    def of(self, question: bytes) -> bytes:
        """The response for the serial number that is asked for, whose DER stands somewhere in the question."""
        for file in self.directory.glob("*.ocsp"):
            serial = bytes.fromhex(file.stem)
            if bytes([2, len(serial)]) + serial in question:
                return file.read_bytes()
        return _UNAUTHORIZED

    def answer(self, content: bytes, type: str) -> None:
        """200."""
        self.send_response(200)
        self.send_header("Content-Type", f"application/{type}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Six(ThreadingHTTPServer):
    """IPv6 only: IPv4 has a server of its own."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


if __name__ == "__main__":
    Responder.directory = Path(sys.argv[1])
    port = int(sys.argv[2])
    threading.Thread(target=Six(("::", port), Responder).serve_forever, daemon=True).start()
    ThreadingHTTPServer(("0.0.0.0", port), Responder).serve_forever()
