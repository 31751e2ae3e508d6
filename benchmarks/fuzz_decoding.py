"""Feed the decoder files that are damaged or made to hurt, and report whatever is not a photo or a refusal.

`python benchmarks/fuzz_decoding.py --seconds 60`; the status is 1 where something was found. Each file is decoded in
a process of its own that is replaced when it dies, so that a crash, a hang and the memory of one file are seen.
Files that found something are kept in --keep, named by what they did.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import multiprocessing
import os
import random
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from inference.contracts import InferenceError
from inference.decoding import decode, decode_closer, encode_jpeg

# Seconds of computing that the worst file within the limits may take, and of waiting for an answer on a busy machine.
SLOW, HANG = 10.0, 120.0
# Megabytes above what the process held before: 50 megapixels are 150 MB once, and 300 MB while colours are swapped.
MEMORY = 700.0
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Verdict:
    """outcome: "decoded", a refusal's code, or what must not be, with a colon. seconds: of computing.

    megabytes: the peak above what was held before.
    """

    outcome: str
    seconds: float
    megabytes: float

    @property
    def is_finding(self) -> bool:
        return ":" in self.outcome or self.seconds > SLOW or self.megabytes > MEMORY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("var/fuzz"))
    options = parser.parse_args()
    sys.exit(1 if fuzz(options.seconds, random.Random(options.seed), options.keep) else 0)


def fuzz(seconds: float, chance: random.Random, keep: Path) -> int:
    """How many files found something."""
    corpus = dict(seeds())
    decoder, ends = Decoder(), time.monotonic() + seconds
    outcomes: Counter[str] = Counter()
    slowest, largest = (0.0, ""), (0.0, "")
    findings = 0
    for kind, content in cases(corpus, chance):
        verdict = decoder.judge(content)
        outcomes[verdict.outcome] += 1
        slowest, largest = max(slowest, (verdict.seconds, kind)), max(largest, (verdict.megabytes, kind))
        if verdict.is_finding:
            findings += 1
            keep.mkdir(parents=True, exist_ok=True)
            name = f"{kind.replace(' ', '_')}-{hashlib.sha256(content).hexdigest()[:12]}"
            (keep / name).write_bytes(content)
            print(f"{keep / name}: {verdict.outcome}, {verdict.seconds:.1f} s, {verdict.megabytes:.0f} MB")
        if time.monotonic() > ends:
            break
    decoder.end()
    print(f"{outcomes.total()} files: " + ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    print(f"slowest {slowest[0]:.2f} s ({slowest[1]}), largest {largest[0]:.0f} MB ({largest[1]}), {findings} findings")
    return findings


class Decoder:
    """A process that decodes; a fresh one after each that died."""

    def __init__(self) -> None:
        self._start()

    def judge(self, content: bytes) -> Verdict:
        try:
            self._connection.send_bytes(content)
            if not self._connection.poll(HANG):
                return self._replaced("hang: no answer")
            verdict: Verdict = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return self._replaced(f"crash: status {self._process.exitcode}")
        return verdict

    def end(self) -> None:
        self._process.kill()
        self._process.join()

    def _replaced(self, outcome: str) -> Verdict:
        self.end()
        self._start()
        return Verdict(outcome, 0.0, 0.0)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_decode_all, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()


def _decode_all(connection: Connection) -> None:
    # The codecs write of every damage there; a warning of Python's would reach the server's log, so it is a finding.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("error")
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        # Begin to measure the peak anew.
        Path("/proc/self/clear_refs").write_text("5")
        held, started = _memory("VmRSS"), time.process_time()
        outcome = _outcome(content)
        connection.send(Verdict(outcome, time.process_time() - started, _memory("VmHWM") - held))


def _outcome(content: bytes) -> str:
    try:
        photo = decode(content)
        for magnification in (1.5, 3.0):
            decode_closer(photo, magnification)
        encode_jpeg(photo)
    except InferenceError as error:
        return error.code
    except Exception as error:  # noqa: BLE001 - what is looked for
        return f"exception: {type(error).__name__}: {str(error)[:100]}"
    if photo.pixels.dtype != np.uint8 or photo.pixels.shape[2:] != (3,) or photo.scale < 0.99:
        return f"wrong: {photo.pixels.dtype} {photo.pixels.shape} at {photo.scale}"
    return "decoded"


def _memory(name: str) -> float:
    """Megabytes, from the kernel's account of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def cases(corpus: dict[str, bytes], chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Every seed as it is, then mutations without end."""
    yield from corpus.items()
    small = {kind: content for kind, content in corpus.items() if 0 < len(content) < 200_000}
    while True:
        kind = chance.choice(list(small))
        yield kind, mutated(small[kind], chance.choice(list(small.values())), chance)


def mutated(content: bytes, other: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not changed:
            break
        # Headers decide most.
        place = chance.randrange(len(changed) if chance.random() < 0.5 else min(len(changed), 600))
        match chance.randrange(7):
            case 0:
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                changed[place] = chance.randrange(256)
            case 2:
                order = chance.choice("<>") + chance.choice("HI")
                packed = struct.pack(order, chance.choice(_INTERESTING) & (0xFFFF if order[1] == "H" else 0xFFFFFFFF))
                changed[place : place + len(packed)] = packed
            case 3:
                del changed[place:]
            case 4:
                del changed[place : place + chance.randrange(1, 200)]
            case 5:
                end = place + chance.randrange(1, 2000)
                changed[place:place] = changed[place:end] * chance.choice((1, 2, 50))
            case 6:
                start = chance.randrange(len(other))
                changed[place : place + 400] = other[start : start + chance.randrange(1, 800)]
    return _with_right_checksums(bytes(changed)) if chance.random() < 0.5 else bytes(changed)


def _with_right_checksums(content: bytes) -> bytes:
    """PNG readers look no further than a wrong checksum."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    fixed, place = bytearray(content), 8
    while place + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, place)
        end = place + 8 + length
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[place + 4 : end]))
        place = end + 4
    return bytes(fixed)


def seeds() -> Iterator[tuple[str, bytes]]:
    """One file of each kind that a decoder treats in its own way."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8))
    photo = noise.resize((320, 240), Image.Resampling.BICUBIC)
    for image_format in ("JPEG", "PNG", "WEBP"):
        yield f"{image_format} plain", _encoded(photo, image_format)
        for orientation in (0, 5, 6, 9, 65535):
            exif = Image.Exif()
            exif[0x0112] = orientation
            yield f"{image_format} orientation {orientation}", _encoded(photo, image_format, exif=exif.tobytes())
        for size in ((1, 1), (1, 16_000), (16_000, 1), (3000, 3)):
            yield f"{image_format} {size[0]} x {size[1]}", _encoded(photo.resize(size), image_format)
    for name, exif_bytes in _weird_exif().items():
        yield f"JPEG {name}", _encoded(photo, "JPEG", exif=exif_bytes)
    for mode in ("L", "CMYK"):
        yield f"JPEG {mode}", _encoded(photo.convert(mode), "JPEG")
    yield "JPEG progressive", _encoded(photo, "JPEG", progressive=True)
    yield "JPEG 4:4:4 optimized", _encoded(photo, "JPEG", subsampling=0, optimize=True)
    yield "JPEG 48 megapixels", _encoded(Image.new("RGB", (8000, 6000), "grey"), "JPEG")
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        yield f"PNG {mode}", _encoded(photo.convert("L" if mode == "I;16" else mode).convert(mode), "PNG")
    yield "PNG 49 megapixels", _encoded(Image.new("RGBA", (7000, 7000), "grey"), "PNG")
    plain = _encoded(photo, "PNG")
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 6, 0, 0, 0))
    yield "PNG second header", plain[:33] + header + plain[33:]
    yield "PNG claims gigabytes", plain[:33] + struct.pack(">I4s", 0xF0000000, b"IDAT") + plain[33:]
    animation = _chunk(b"acTL", struct.pack(">II", 1 << 30, 0))
    frame = _chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 40_000, 40_000, 0, 0, 1, 1, 0, 0))
    yield "PNG huge frame", plain[:33] + animation + frame + plain[33:]
    yield "PNG bomb", _encoded(Image.new("1", (50_000, 50_000)), "PNG")
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "0" * 40_000_000, zip=True)
    yield "PNG text bomb", _encoded(photo, "PNG", pnginfo=text)
    yield "PNG profile bomb", _encoded(photo, "PNG", icc_profile=bytes(30_000_000))
    frames = [photo.rotate(turn) for turn in range(0, 360, 45)]
    for image_format in ("PNG", "WEBP"):
        yield f"{image_format} animated", _encoded(photo, image_format, save_all=True, append_images=frames)
    yield "WEBP lossless", _encoded(photo.convert("RGBA"), "WEBP", lossless=True)
    yield "WEBP 49 megapixels", _encoded(Image.new("RGB", (7000, 7000), "grey"), "WEBP")
    yield "nothing", b""


def _weird_exif() -> dict[str, bytes]:
    """Directories that point at themselves, behind the end, or claim more entries than there are."""
    head = b"Exif\0\0II*\0\x08\0\0\0"
    orientation = struct.pack("<HHII", 0x0112, 3, 1, 6)
    return {
        "EXIF loop": head + struct.pack("<H", 1) + orientation + struct.pack("<I", 8),
        "EXIF behind the end": head[:-4] + struct.pack("<I", 0xFFFFFFF0),
        "EXIF with too many entries": head + struct.pack("<H", 0xFFFF) + orientation,
        "EXIF with a huge count": head + struct.pack("<H", 1) + struct.pack("<HHII", 0x0112, 3, 0xFFFFFFFF, 6),
        "EXIF of another type": head + struct.pack("<H", 1) + struct.pack("<HHIf", 0x0112, 11, 1, 6.0),
        "EXIF empty": b"Exif\0\0",
    }


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, image_format, **options)
    return encoded.getvalue()


if __name__ == "__main__":
    main()
