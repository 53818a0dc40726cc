"""Pictures, their digests, and one that is big enough to be interrupted."""

import hashlib
import pathlib
import struct

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "Tests/Support/Fixtures/pictures"


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def signature(path):
    """The name of the format that the first bytes tell."""
    head = path.read_bytes()[:12]
    if head.startswith(b"\x89PNG"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "WebP"
    return "BMP" if head.startswith(b"BM") else "unknown"


def draw_mural(path, width, height):
    """Draws slanted stripes as a 24-bit BMP; no two rows begin alike, so that a misplaced chunk would show."""
    row_bytes = width * 3
    assert row_bytes % 4 == 0, "rows of a BMP end on a multiple of four bytes"
    band = bytes((i * i // 4099 + i // 3) & 0xFF for i in range(row_bytes + height * 3))
    pixels = b"".join(band[3 * row : 3 * row + row_bytes] for row in range(height))
    header = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 2835, 2835, 0, 0)
    path.write_bytes(header + info + pixels)
