#!/usr/bin/env python3
"""What HTTPS does and costs, beside nginx where nginx does the same: part of `make bench`."""

import argparse
import datetime
import os
import platform
import resource
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Distance"))

import away  # noqa: E402
import friend  # noqa: E402
import gets  # noqa: E402
import streams  # noqa: E402

PARTS = {
    "gets": ("GETs a second", gets), "streams": ("10,000 idle streams of changes", streams),
    "friend": ("A friend's new avatar", friend), "away": ("Back after a day", away),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="the folder of release builds")
    parser.add_argument("--parts", default=",".join(PARTS), help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="less of everything, once")
    parser.add_argument("--out", help="write https.md into this folder")
    options = parser.parse_args()
    lacking = [program for program in ("nginx", "curl", "openssl", "wrk", "h2load") if not shutil.which(program)]
    if lacking:
        print(f"https: {', '.join(lacking)} is missing: scripts/setup.sh bench installs it")
        return 1
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    texts = []
    for name in options.parts.split(","):
        title, part = PARTS[name]
        command = f"python3 -B Tests/Benchmarks/HTTPS/https.py --programs .build/release --parts {name}"
        text = f"## {title}\n\n`{command}`: {part.__doc__.strip()}\n"
        print(f"\n{text}", flush=True)
        with tempfile.TemporaryDirectory(prefix="avatard-https-") as place:
            lines = "\n".join(part.measure(os.path.abspath(options.programs), place, options.quick))
        print(lines, flush=True)
        texts.append(f"{text}\n{lines}\n")
    if options.out:
        os.makedirs(options.out, exist_ok=True)
        machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}"
        with open(os.path.join(options.out, "https.md"), "w") as file:
            file.write(f"# HTTPS\n\nMade by `make bench` on {datetime.date.today()} ({machine}).\n\n" + "\n".join(texts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
