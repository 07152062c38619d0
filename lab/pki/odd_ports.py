"""A port that is not what it should be. Runs on a lab host, with its own Python.

In: `silent`, `plain` or `reset`, and a port. Out: connections that are accepted, on both families, and then wait for
ever; are greeted in plain text; or are reset as soon as the client has said something.
"""

import socket
import struct
import sys
import threading

_GREETING = b"220 plain text is spoken here\r\n"


def main(how: str, port: int) -> None:
    """Serve until somebody ends it."""
    four = socket.create_server(("0.0.0.0", port), backlog=64)
    six = socket.create_server(("::", port), family=socket.AF_INET6, backlog=64)
    threading.Thread(target=serve, args=(six, how), daemon=True).start()
    serve(four, how)


def serve(server: socket.socket, how: str) -> None:
    """One connection after the other."""
    held = []
    while True:
        connection, _ = server.accept()
        if how == "silent":
            held.append(connection)
        elif how == "plain":
            connection.sendall(_GREETING)
            held.append(connection)
        else:
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
