"""What an installer writes beside a package about where it came from, without credentials."""

import json
from pathlib import Path

from servelab.store import redaction
from servelab.store.files import write_whole

RECEIPT = "direct_url.json"
"""PEP 610; installers leave out user and password, but not what a query holds."""


def redact(directory: Path) -> None:
    """Hide credentials in the receipts of an environment."""
    for receipt in directory.glob(f"lib/python*/site-packages/*.dist-info/{RECEIPT}"):
        written = json.loads(receipt.read_bytes())
        hidden = {**written, "url": redaction.requirement(written["url"])}
        if hidden != written:
            write_whole(receipt, json.dumps(hidden).encode())
            _forget_hash(receipt)


def _forget_hash(receipt: Path) -> None:
    """Let the list of installed files say no more of it than that it is there."""
    record = receipt.with_name("RECORD")
    name = f"{receipt.parent.name}/{receipt.name}"
    lines = record.read_text(encoding="utf-8").splitlines()
    shown = [f"{name},," if line.startswith(f"{name},") else line for line in lines]
    write_whole(record, ("\n".join(shown) + "\n").encode())
