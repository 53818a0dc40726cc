#!/usr/bin/env python3
"""Makes pictures with the defects that people's pictures have, and says what three decoders make of each.

    /usr/bin/python3 scripts/make-pictures.py FOLDER

writes the pictures into FOLDER and prints one line for each: name, defect, then "shows" or "fails" for Qt 6, Pillow and ImageMagick,
between tabs. It needs Debian's python3-pil, python3-pyqt6, qt6-image-formats-plugins and imagemagick. docs/pictures.md has the table.
"""

import io
import pathlib
import struct
import subprocess
import sys
import zlib

from PIL import Image

BASE = Image.new("RGB", (24, 20))
BASE.putdata([(x * 10 % 256, y * 12 % 256, (x * y) % 256) for y in range(20) for x in range(24)])


def saved(format, image=BASE, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def chunk(kind, data, wrong=False):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ wrong)


def png(before=b"", header=None, data=None, end=b"", after_end=b"", depth=8, colour=2, width=24, height=20, interlace=0):
    raw = b"".join(b"\0" + BASE.tobytes()[row * 72 : row * 72 + 72] for row in range(20))
    packed = zlib.compress(raw) if data is None else data
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace) if header is None else header
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", packed) + end + chunk(b"IEND", b"") + after_end


def pngs():
    good = png()
    raw = b"".join(b"\0" + BASE.tobytes()[row * 72 : row * 72 + 72] for row in range(20))
    packed = zlib.compress(raw)
    yield "none", good
    yield "interlaced, 16 colours", saved("PNG", BASE.convert("P", palette=Image.ADAPTIVE, colors=16))
    yield "grey with alpha", saved("PNG", BASE.convert("LA"))
    yield "one bit", saved("PNG", BASE.convert("1"))
    yield "wrong CRC in tEXt", png(before=chunk(b"tEXt", b"a\0b", True))
    yield "wrong CRC in eXIf", png(end=chunk(b"eXIf", b"MM\0*", True))
    yield "wrong CRC in IHDR", good[:29] + bytes([good[29] ^ 1]) + good[30:]
    yield "wrong CRC in IDAT", good.replace(chunk(b"IDAT", packed), chunk(b"IDAT", packed, True))
    yield "bytes behind IEND", good + b"trailer" * 20
    yield "no IDAT", good.replace(chunk(b"IDAT", packed), b"")
    yield "no IEND", good[:-12]
    yield "cut in IDAT", good[: len(good) // 2]
    yield "zlib stream cut in half", png(data=packed[: len(packed) // 2])
    yield "zlib stream without Adler-32", png(data=packed[:-4])
    yield "zlib stream with a wrong Adler-32", png(data=packed[:-1] + bytes([packed[-1] ^ 1]))
    yield "filter that there is not", png(data=zlib.compress(b"\5" + raw[1:]))
    yield "half of the rows", png(data=zlib.compress(raw[: len(raw) // 2]))
    yield "one row more than promised", png(data=zlib.compress(raw + raw[:73]))
    yield "stored zlib blocks", png(data=zlib.compress(raw, 0))
    yield "IDAT in pieces", good.replace(chunk(b"IDAT", packed), b"".join(chunk(b"IDAT", packed[i : i + 7]) for i in range(0, len(packed), 7)))
    yield "unknown critical chunk", png(before=chunk(b"ABCD", b"x"))
    yield "unknown ancillary chunk", png(before=chunk(b"abCd", b"x"))
    yield "palette without PLTE", png(colour=3, data=zlib.compress(b"\0" * 25 * 20))
    yield "bit depth 3", png(depth=3)
    yield "width 0", png(width=0)
    yield "two IHDR", png(before=chunk(b"IHDR", good[16:29]))
    frames = [BASE, BASE.rotate(90)]
    yield "animated", saved("PNG", save_all=True, append_images=frames[1:])


def jpegs():
    good = saved("JPEG", quality=85)
    progressive = saved("JPEG", quality=85, progressive=True)
    sos = good.index(b"\xff\xda")
    yield "none", good
    yield "progressive", progressive
    yield "grey", saved("JPEG", BASE.convert("L"))
    yield "CMYK", saved("JPEG", BASE.convert("CMYK"))
    yield "4:4:4", saved("JPEG", subsampling=0)
    yield "optimized tables", saved("JPEG", optimize=True)
    yield "without EOI", good[:-2]
    yield "progressive without EOI", progressive[:-2]
    yield "without EOI, trailer of text", good[:-2] + b"SEFT" * 5000
    yield "without EOI, trailer with false markers", good[:-2] + b"\xff\xc4\xff\xff" + b"A" * 900
    yield "trailer behind EOI", good + b"trailer" * 99
    yield "second picture behind EOI", good + good
    yield "stray bytes before a marker", good[:20] + b"\1\2\3" + good[20:]
    yield "stray bytes before SOS", good[:sos] + b"\0\0\0" + good[sos:]
    yield "fill bytes before a marker", good[:20] + b"\xff\xff\xff" + good[20:]
    yield "thumbnail with EOI in APP1", good[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(good)) + good + good[2:]
    yield "cut in the scan", good[: sos + (len(good) - sos) // 2]
    yield "cut in the scan, EOI behind", good[: sos + (len(good) - sos) // 2] + b"\xff\xd9"
    yield "cut in the header", good[: sos - 10]
    yield "no scan", good[:sos] + b"\xff\xd9"
    yield "no quantization tables", good.replace(b"\xff\xdb", b"\xff\xfe")
    yield "height 0", good.replace(b"\xff\xc0\0\x11\x08\0\x14", b"\xff\xc0\0\x11\x08\0\0")
    yield "lossless frame", good.replace(b"\xff\xc0", b"\xff\xc3")
    yield "12 bits", good.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")
    yield "a quantization table missing", good[: good.rindex(b"\xff\xdb")] + good[good.index(b"\xff\xc0") :]
    yield "progressive, a Huffman table missing", progressive[: progressive.index(b"\xff\xc4")] + progressive[progressive.index(b"\xff\xda") :]
    yield "scan of an unknown component", good[: sos + 5] + b"\7" + good[sos + 6 :]
    band = progressive.index(b"\xff\xda") + 11
    yield "progressive, coefficients that there are not", progressive[:band] + b"\x40\xff" + progressive[band + 2 :]
    yield "progressive, ends in a segment", progressive[: progressive.rindex(b"\xff\xda") + 6]
    yield "comment that claims 1 byte", good[:20] + b"\xff\xfe\0\1" + good[20:]
    yield "restart marker where none belongs, without EOI", good[: sos + (len(good) - sos) // 2] + b"\xff\xd0" + good[sos + (len(good) - sos) // 2 : -2]
    yield "second SOI", good[:20] + b"\xff\xd8" + good[20:]
    yield "unknown segment FFF5", good[:20] + b"\xff\xf5\0\2" + good[20:]


def riff(*chunks, less=0):
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) - less) + body


def part(kind, data):
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def webps():
    good, lossless = saved("WEBP", quality=80), saved("WEBP", lossless=True)
    payload = lambda file: file[20 : 20 + struct.unpack("<I", file[16:20])[0]]
    lossy, exact = payload(good), payload(lossless)
    size = struct.pack("<I", 23)[:3] + struct.pack("<I", 19)[:3]
    extended = part(b"VP8X", b"\0\0\0\0" + size)
    yield "none", good
    yield "lossless", lossless
    yield "alpha", saved("WEBP", BASE.convert("RGBA"))
    yield "animated", saved("WEBP", save_all=True, append_images=[BASE.rotate(180)])
    yield "VP8X with unknown chunk", riff(extended, part(b"VP8L", exact), part(b"ABCD", b"xyz"))
    odd = exact if len(exact) % 2 else exact + b"\0"
    yield "odd chunk, padded", riff(part(b"VP8L", odd))
    yield "odd chunk, padding byte missing", riff(part(b"VP8L", odd))[:-1]
    yield "odd chunk, padding byte outside RIFF", riff(part(b"VP8L", odd), less=1)
    yield "chunk ends outside RIFF", riff(part(b"VP8 ", lossy), less=10)
    yield "unknown chunk ends outside RIFF", riff(extended, part(b"VP8L", exact), part(b"ABCD", b"x" * 40), less=20)
    yield "RIFF longer than the file", good[:4] + struct.pack("<I", len(good) + 100) + good[8:]
    yield "bytes behind RIFF", good + b"trailer" * 9
    yield "cut in half", good[: len(good) // 2]
    yield "canvas of another size", riff(part(b"VP8X", b"\0" * 4 + b"\x40\0\0\x40\0\0"), part(b"VP8L", exact))
    yield "lossless data cut in half, lengths right", riff(part(b"VP8L", exact[: len(exact) // 2]))
    yield "lossy data cut in half, lengths right", riff(part(b"VP8 ", lossy[: len(lossy) // 2]))
    yield "no image", riff(extended)
    yield "no key frame", riff(part(b"VP8 ", bytes([lossy[0] | 1]) + lossy[1:]))


def bmps():
    good = saved("BMP")
    grey = saved("BMP", BASE.convert("L"))
    at = lambda file, place, data: file[:place] + data + file[place + len(data) :]
    rle = b"BM" + struct.pack("<IHHI", 0, 0, 0, 62) + struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, 0, 0, 0, 2, 0)
    rle += b"\0\0\0\0\xff\xff\xff\0"
    yield "none", good
    yield "palette", grey
    yield "top-down", at(good, 22, struct.pack("<i", -20))
    yield "bfSize 0", at(good, 2, b"\0\0\0\0")
    yield "bfSize too large", at(good, 2, b"\xff\xff\xff\0")
    yield "bfSize too small", at(good, 2, b"\x10\0\0\0")
    yield "RLE8, biSizeImage 0", rle + b"\4\0\0\0\4\1\0\1"
    yield "RLE8 without end mark", rle + b"\4\0\0\0\4\1"
    yield "OS/2 header", b"BM" + struct.pack("<IHHI", 0, 0, 0, 26) + struct.pack("<IHHHH", 12, 24, 20, 1, 24) + good[54:]
    yield "bytes behind the pixels", good + b"x" * 50
    yield "cut in half", good[: len(good) // 2]
    yield "last byte missing", good[:-1]
    yield "palette beyond the file", grey[:300]
    narrow = saved("BMP", BASE.crop((0, 0, 23, 20)))
    yield "padding of the last row missing", narrow[:-3]
    yield "last row without its last byte", narrow[:-4]
    masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
    yield "header of 56 bytes", good[:14] + struct.pack("<I", 56) + good[18:54] + masks + b"\0\0\0\0" + good[54:]
    yield "5 planes", at(good, 26, b"\5\0")
    yield "7 bits", at(good, 28, b"\7\0")
    yield "width 0", at(good, 18, b"\0\0\0\0")


def gifs():
    good = saved("GIF")
    yield "none", good
    yield "animated", saved("GIF", save_all=True, append_images=[BASE.rotate(180)])
    yield "without trailer", good[:-1]
    yield "without trailer and the data's end", good[:-2]
    yield "animated, cut in the second image", saved("GIF", save_all=True, append_images=[BASE.rotate(180)])[:-40]
    yield "bytes behind the trailer", good + b"trailer"
    yield "cut in half", good[: len(good) // 2]
    yield "no image", good[: 13 + 3 * 256] + b";"


def others():
    for name in ("TIFF", "ICO"):
        yield name, "none", saved(name, BASE)
    yield "SVG", "none", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
    for name in ("AVIF", "HEIC"):
        made = subprocess.run(
            ["/usr/bin/convert", "png:-", name.lower() + ":-"], input=png(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ).stdout
        if made:
            yield name, "none", made
            yield name, "cut in half", made[: len(made) // 2]
            yield name, "last byte missing", made[:-1]
            yield name, "bytes behind the boxes", made + b"\0" * 50


def pictures():
    for format, makes in (("PNG", pngs), ("JPEG", jpegs), ("WebP", webps), ("BMP", bmps), ("GIF", gifs)):
        for defect, data in makes():
            yield format, defect, data
    yield from others()


def qt(path):
    from PyQt6.QtGui import QImageReader

    reader = QImageReader(str(path))
    reader.setDecideFormatFromContent(True)
    return not reader.read().isNull()


def pillow(path):
    try:
        Image.open(path).load()
        return True
    except Exception:
        return False


def magick(path):
    # The picture is told by its bytes, and the first frame counts.
    done = subprocess.run(["/usr/bin/convert", f"{path}[0]", "-depth", "8", "rgb:-"], capture_output=True, timeout=20)
    return done.returncode == 0 and bool(done.stdout)


def main():
    folder = pathlib.Path(sys.argv[1])
    for number, (format, defect, data) in enumerate(pictures()):
        path = folder / f"{number:03}"
        path.write_bytes(data)
        verdicts = ("shows" if decoder(path) else "fails" for decoder in (qt, pillow, magick))
        print(path.name, format, defect, *verdicts, sep="\t")


if __name__ == "__main__":
    main()
