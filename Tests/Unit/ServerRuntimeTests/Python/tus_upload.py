"""Uploads a picture with tuspy: tus_upload.py URL USER TOKEN FILE PIECE_BYTES [PIECES]

Prints the upload's URL after so many pieces, or "done" when all are there. URL is that of the user's uploads, or of one that goes on.
"""

import base64
import hashlib
import sys

from tusclient import client

url, user, token, file, piece = sys.argv[1:6]
pieces = int(sys.argv[6]) if len(sys.argv) > 6 else None
login = base64.b64encode(f"{user}:{token}".encode()).decode()
tus = client.TusClient(url, headers={"Authorization": f"Basic {login}"})
with open(file, "rb") as stream:
    digest = hashlib.sha256(stream.read()).hexdigest()
    stream.seek(0)
    uploader = tus.uploader(
        file_stream=stream,
        chunk_size=int(piece),
        metadata={"filename": "tuspy.png", "sha256": digest},
        url=None if url.endswith("/uploads") else url,
    )
    if pieces is None:
        uploader.upload()
        print("done")
    else:
        for _ in range(pieces):
            uploader.upload_chunk()
        print(uploader.url)
