"""Send a running server everything a client should not, many times over, and watch its answers and memory.

Usage: python benchmarks/bad_input.py http://127.0.0.1:8000 [--rounds 20] [--pid PID]

Prints, for each kind of bad input, the answers of the new API and of the mobile contract; with --pid also
the server's resident memory before and after. The server should run with THROTTLE_ENABLED=false.
Exits 1 if any answer is a 500, or the two rounds of one input are answered differently.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import sys
import uuid
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from harness import resident_megabytes
from PIL import Image

NO_RESULT = {"human": "False", "male_type": "null", "dsc": "null"} | {f"img{n}": "null" for n in (1, 2, 3, 4)}
Answer = tuple[int, str]
Send = Callable[[], Answer]


def picture(image_format: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((320, 400)).convert(mode).save(buffer, image_format)
    return buffer.getvalue()


def bomb() -> bytes:
    """A small file of 2.5 billion pixels."""
    buffer = io.BytesIO()
    Image.new("1", (50_000, 50_000)).save(buffer, "PNG")
    return buffer.getvalue()


def photos() -> dict[str, bytes]:
    jpeg = picture("JPEG")
    return {
        "empty": b"",
        "text": b"this is no photo",
        "GIF": picture("GIF", mode="P"),
        "PDF": b"%PDF-1.7\n" + bytes(1000),
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "HTML named .jpg": b"<!doctype html><title>photo.jpg</title>",
        "truncated JPEG": jpeg[: len(jpeg) // 2],
        "PNG of 50,000 x 50,000": bomb(),
        "30 MB": jpeg.ljust(30 * 1024 * 1024, b"\0"),
        "no face": jpeg,
        "no face, CMYK": picture("JPEG", mode="CMYK"),
        "no face, palette": picture("PNG", mode="P"),
    }


def send_v1(connection: http.client.HTTPConnection, photo: bytes, **fields: str) -> Answer:
    boundary = uuid.uuid4().hex
    values = {"birth_date": "1996-05-04"} | fields
    text = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in values.items()
    )
    head = f'{text}--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n\r\n'
    body = head.encode() + photo + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return read(connection, "/api/v1/classifications/", body, headers)


def send_mobile(connection: http.client.HTTPConnection, photo: bytes, **fields: str) -> Answer:
    user = {"user_img": base64.b64encode(photo).decode(), "age": "1996-05-04", "mbti": "ESTJ"} | fields
    body = json.dumps({"first_user": user, "result": NO_RESULT}).encode()
    return read(connection, "/api/RegisterResult", body, {"Content-Type": "application/json"})


def read(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    return response.status, answer.get("code") or f"human {answer.get('human')}"


def requests(connection: http.client.HTTPConnection) -> dict[str, tuple[Send, Send]]:
    """By kind of bad input: what sends it to the new API and to the mobile contract."""
    v1, mobile, raw = (partial(send, connection) for send in (send_v1, send_mobile, read))
    face = picture("JPEG")
    json_type = {"Content-Type": "application/json"}
    return {
        **{name: (partial(v1, photo), partial(mobile, photo)) for name, photo in photos().items()},
        "bad date": (partial(v1, face, birth_date="yesterday"), partial(mobile, face, age="yesterday")),
        "future date": (partial(v1, face, birth_date="2999-01-01"), partial(mobile, face, age="2999-01-01")),
        "under age": (partial(v1, face, birth_date="2024-01-01"), partial(mobile, face, age="2024-01-01")),
        "unknown MBTI": (partial(v1, face, mbti="ABCD"), partial(mobile, face, mbti="ABCD")),
        "not a form, not base64": (
            partial(raw, "/api/v1/classifications/", b"rubbish", {"Content-Type": "multipart/form-data"}),
            partial(mobile, face, user_img="not base64!"),
        ),
        "not JSON": (
            partial(raw, "/api/v1/classifications/", b"{}", json_type),
            partial(raw, "/api/RegisterResult", b"not JSON", json_type),
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pid", type=int, help="of the serving process")
    arguments = parser.parse_args()
    connection = http.client.HTTPConnection(urlsplit(arguments.url).netloc, timeout=120)
    cases = requests(connection)
    first = {name: (v1(), mobile()) for name, (v1, mobile) in cases.items()}
    for name, ((status, code), (mobile_status, mobile_code)) in first.items():
        print(f"{name:>24}  v1 {status} {code:<24} mobile {mobile_status} {mobile_code}")
    before = resident_megabytes(arguments.pid) if arguments.pid else None
    is_steady = True
    for _ in range(arguments.rounds):
        is_steady &= first == {name: (v1(), mobile()) for name, (v1, mobile) in cases.items()}
    if before is not None:
        after = resident_megabytes(arguments.pid)
        print(f"{2 * len(cases) * arguments.rounds} requests: {before:.0f} MB before, {after:.0f} MB after")
    broken = [name for name, answers in first.items() if any(status >= 500 for status, _ in answers)]
    print(
        "answers steady" if is_steady else "answers differ between rounds",
        "500 for " + ", ".join(broken) if broken else "",
    )
    return 1 if broken or not is_steady else 0


if __name__ == "__main__":
    sys.exit(main())
