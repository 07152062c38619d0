"""TLS as clients meet it, measured and judged from here.

`examine_chain(leaf, intermediates, roots, name, at)` is the pure half: certificates as bytes in, every `Finding` out. A
chain is accepted when no finding is fatal. How it is judged stands in `chain/`.
"""

from __future__ import annotations

from shipworthy.vantage.chain import examine_chain
from shipworthy.vantage.chain.findings import Finding, accepted

__all__ = ["Finding", "accepted", "examine_chain"]
