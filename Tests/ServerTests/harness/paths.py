"""Where things are."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
SHEEPFCGI = Path(os.environ.get("SHEEPFCGI", REPOSITORY / ".build/release/sheepfcgi")).absolute()
MOCK_PROVIDER = Path(os.environ.get("MOCK_PROVIDER", REPOSITORY / ".build/release/mock-provider")).absolute()
STREAM_BENCH = Path(os.environ.get("STREAM_BENCH", REPOSITORY / ".build/release/stream-bench")).absolute()
NGINX_FILES = REPOSITORY / "nginx"
DEPLOY = REPOSITORY / "deploy"
PAGE = REPOSITORY / "public"
# The recorded provider streams, which are no part of the repository.
STREAMS = Path(os.environ.get("SHEEPFCGI_STREAMS", REPOSITORY.parent / "shared/streams"))

# Set where the programs under test are built with a sanitizer: what they weigh then says nothing.
SANITIZER = os.environ.get("SANITIZER", "")
