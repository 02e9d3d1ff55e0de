"""SCGI from the web server's side."""

from .waiting import LIMIT, connect


def request(method="GET", path="/ping", body=b"", **more):
    headers = {
        "CONTENT_LENGTH": str(len(body)),
        "SCGI": "1",
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_HOST": "localhost",
    }
    if method == "POST":
        headers["CONTENT_TYPE"] = "application/json"
    return netstring(headers | more) + body


def netstring(headers):
    content = b"".join(f"{name}\0{value}\0".encode() for name, value in headers.items())
    return b"%d:" % len(content) + content + b","


def ask(address, bytes_, limit=LIMIT):
    """All that comes back, up to the end of the connection."""
    with connect(address, limit) as connection:
        connection.sendall(bytes_)
        result = b""
        try:
            while part := connection.recv(1 << 16):
                result += part
        except ConnectionResetError:
            pass
        return result


def status(answer):
    return int(answer.removeprefix(b"Status: ").split()[0])
