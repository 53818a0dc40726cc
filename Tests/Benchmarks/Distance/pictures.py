"""Pictures of a wanted size: a PNG of one pixel, and a private ancillary chunk of random bytes that brings it to that size."""

import os
import struct
import zlib


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(size):
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    tail = _chunk(b"IDAT", zlib.compress(b"\0\xff\x80\0")) + _chunk(b"IEND", b"")
    return head + _chunk(b"prVt", os.urandom(size - len(head) - len(tail) - 12)) + tail


def write_pictures(folder, names, size):
    os.makedirs(folder, exist_ok=True)
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(picture(size))
