"""A mail server with STARTTLS, over both families. Runs on a lab host, with Debian's Python and its aiosmtpd.

In: files of a chain and its key. Out: SMTP on port 25; SIGHUP takes what is in the files by then.
"""

import asyncio
import signal
import ssl
import sys

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP

_PORT = 25


async def main(chain: str, key: str) -> None:
    """Serve until somebody ends it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(chain, key)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, context.load_cert_chain, chain, key)
    server = await loop.create_server(lambda: SMTP(Sink(), tls_context=context), ["0.0.0.0", "::"], _PORT)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
