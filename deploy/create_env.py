"""Write .env from .env.example with fresh secrets, for a machine that has none yet."""

from __future__ import annotations

import base64
import secrets
import sys
from pathlib import Path


def main(example: Path, target: Path) -> None:
    values = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PHOTO_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        # Served over plain HTTP on this machine; a deployment sets its own environment.
        "HTTPS": "false",
    }
    lines = []
    for line in example.read_text().splitlines():
        name = line.partition("=")[0]
        lines.append(f"{name}={values.pop(name)}" if name in values else line)
    if values:
        sys.exit(f"{example} lacks {', '.join(values)}")
    target.touch(mode=0o600, exist_ok=False)
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
