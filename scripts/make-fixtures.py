#!/usr/bin/env python3
"""Draws the pictures under Tests/Support/Fixtures/pictures and the built-in fallback head.

Everything is drawn here, from seeds, so the pictures are the project's own and come out alike each time:

    python3 -m venv /tmp/fixtures && /tmp/fixtures/bin/pip install pillow
    /tmp/fixtures/bin/python scripts/make-fixtures.py

The fallback head goes into Sources/AvatarCore/Images/DefaultHead.swift as bytes, so that the agent has it without installation.
"""

import io
import pathlib
import random

from PIL import Image, ImageDraw, ImageFilter

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURES = ROOT / "Tests" / "Support" / "Fixtures" / "pictures"
# Small enough to be padded to any size that a test wants.
TINY = ROOT / "Tests" / "Support" / "Fixtures" / "tiny"
DEFAULT_HEAD = ROOT / "Sources" / "AvatarCore" / "Images" / "DefaultHead.swift"

# name, pixels, seed, grain (0: flat colours, else how strong the film grain is), options for Pillow
FIXTURES = [
    ("ada.png", 160, 1, 0, {}),
    ("bruno.png", 256, 2, 6, {}),
    ("chen.png", 200, 3, 0, {"palette": True}),
    ("dilek.png", 320, 4, 4, {"grey": True}),
    ("emeka.jpg", 128, 5, 0, {"quality": 80}),
    ("farah.jpg", 256, 6, 5, {"quality": 88}),
    ("goran.jpg", 320, 7, 10, {"quality": 92, "progressive": True}),
    ("hana.jpg", 400, 8, 12, {"quality": 90, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
    ("ines.webp", 240, 9, 0, {"quality": 95}),
    ("jonas.webp", 256, 10, 5, {"lossless": True}),
    ("kofi.webp", 300, 11, 8, {"quality": 85, "alpha": True}),
    ("li-wei.bmp", 96, 12, 0, {}),
    ("marta.bmp", 180, 13, 4, {}),
    ("nadia.bmp", 160, 14, 0, {"palette": True}),
    # Hundreds of chunks of 2048 bytes each.
    ("olu-large.png", 520, 15, 24, {}),
    ("priya-large.jpg", 1100, 16, 40, {"quality": 95}),
    ("quentin-large.bmp", 520, 17, 12, {}),
    ("rosa-large.webp", 640, 18, 20, {"lossless": True}),
]


def head(size, seed, grain):
    """One avatar: a background that fades, shoulders, a head with hair, eyes and a mouth."""
    rng = random.Random(seed)
    scale = 4
    side = min(size, 400) * scale // 2
    tint = [rng.randrange(90, 220) for _ in range(3)]
    picture = Image.new("RGB", (side, side))
    draw = ImageDraw.Draw(picture)
    for row in range(side):
        fade = 0.55 + 0.45 * row / side
        draw.line([(0, row), (side, row)], fill=tuple(int(part * fade) for part in tint))
    skin = rng.choice([(255, 224, 196), (234, 192, 156), (198, 146, 104), (141, 94, 62), (92, 60, 42)])
    hair = rng.choice([(40, 30, 28), (90, 56, 30), (176, 132, 64), (120, 120, 128), (160, 60, 40)])
    shirt = tuple(rng.randrange(30, 220) for _ in range(3))

    def box(left, top, right, bottom):
        return [int(side * part) for part in (left, top, right, bottom)]

    draw.ellipse(box(0.12, 0.74, 0.88, 1.5), fill=shirt)
    draw.rounded_rectangle(box(0.42, 0.6, 0.58, 0.82), radius=side // 20, fill=tuple(int(part * 0.9) for part in skin))
    width = rng.uniform(0.2, 0.25)
    draw.ellipse(box(0.5 - width - 0.04, 0.14, 0.5 + width + 0.04, 0.62), fill=hair)
    if rng.random() < 0.5:
        draw.rectangle(box(0.5 - width - 0.04, 0.38, 0.5 + width + 0.04, 0.72), fill=hair)
    draw.ellipse(box(0.5 - width, 0.2, 0.5 + width, 0.72), fill=skin)
    draw.pieslice(box(0.5 - width - 0.02, 0.14, 0.5 + width + 0.02, 0.56), 180, 360, fill=hair)
    for centre in (0.5 - width * 0.45, 0.5 + width * 0.45):
        draw.ellipse(box(centre - 0.035, 0.41, centre + 0.035, 0.46), fill=(250, 250, 250))
        draw.ellipse(box(centre - 0.016, 0.415, centre + 0.016, 0.455), fill=(40, 40, 50))
    draw.line([tuple(box(0.5, 0.46, 0.48, 0.54)[:2]), tuple(box(0.48, 0.54, 0, 0)[:2])],
              fill=tuple(int(part * 0.8) for part in skin), width=max(1, side // 90))
    smile = rng.uniform(0.05, 0.1)
    draw.arc(box(0.5 - smile, 0.52, 0.5 + smile, 0.62), 20, 160, fill=(160, 60, 60), width=max(1, side // 60))
    if rng.random() < 0.4:
        for centre in (0.5 - width * 0.45, 0.5 + width * 0.45):
            draw.ellipse(box(centre - 0.07, 0.385, centre + 0.07, 0.49), outline=(30, 30, 30), width=max(1, side // 70))
    picture = picture.filter(ImageFilter.GaussianBlur(side / 500)).resize((size, size), Image.LANCZOS)
    if grain:
        noise = random.Random(seed * 7919)
        plane = bytes(min(255, max(0, 128 + int(noise.gauss(0, grain)))) for _ in range(size * size))
        film = Image.merge("RGB", [Image.frombytes("L", (size, size), plane)] * 3)
        picture = Image.eval(Image.blend(picture, film, 0.5), lambda value: max(0, min(255, value * 2 - 128)))
    return picture


def save(name, size, seed, grain, options):
    picture = head(size, seed, grain)
    options = dict(options)
    if options.pop("palette", False):
        picture = picture.quantize(64)
    if options.pop("grey", False):
        picture = picture.convert("L")
    if options.pop("alpha", False):
        mask = Image.new("L", picture.size, 0)
        ImageDraw.Draw(mask).ellipse([0, 0, size, size], fill=255)
        picture.putalpha(mask)
    if name.endswith(".png"):
        options["optimize"] = True
    picture.save(PICTURES / name, **options)
    return (PICTURES / name).stat().st_size


def default_head():
    """A grey silhouette, small enough to be source text."""
    scale, side = 8, 96
    picture = Image.new("L", (side * scale, side * scale), 226)
    draw = ImageDraw.Draw(picture)
    draw.ellipse([part * scale for part in (30, 18, 66, 56)], fill=150)
    draw.ellipse([part * scale for part in (14, 62, 82, 140)], fill=150)
    picture = picture.resize((side, side), Image.LANCZOS).quantize(8)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write_default_head(data):
    assert len(data) < 2048, len(data)
    lines = [
        "        " + ", ".join(f"0x{byte:02x}" for byte in data[start : start + 16]) + ","
        for start in range(0, len(data), 16)
    ]
    text = (
        "/// The picture that a label is given until its own is there: a grey silhouette, 96 × 96 pixels, PNG.\n"
        "///\n"
        "/// It is part of the program, so that it is there without any installation. Drawn by `scripts/make-fixtures.py`, which writes\n"
        "/// this file.\n"
        "package enum DefaultHead {\n"
        "    /// The name under which the agent keeps it in its state directory.\n"
        '    package static let fileName = "default-head.png"\n'
        "\n"
        "    /// The whole file.\n"
        "    package static let png: [UInt8] = [\n" + "\n".join(lines) + "\n    ]\n}\n"
    )
    DEFAULT_HEAD.write_text(text)


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    total = 0
    for fixture in FIXTURES:
        size = save(*fixture)
        total += size
        print(f"{fixture[0]:20} {size:9} bytes")
    TINY.mkdir(parents=True, exist_ok=True)
    for name, options in [("tiny.png", {}), ("tiny.jpg", {"quality": 60}), ("tiny.webp", {"quality": 60}), ("tiny.bmp", {})]:
        head(16, 21, 0).save(TINY / name, **options)
    data = default_head()
    write_default_head(data)
    print(f"{'default head':20} {len(data):9} bytes\n{'all pictures':20} {total:9} bytes")


if __name__ == "__main__":
    main()
