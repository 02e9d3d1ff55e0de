"""A certificate that only its own file vouches for."""

import shutil
import ssl
import subprocess

import pytest


@pytest.fixture(scope="session")
def certificate(session_sites):
    """A directory with cert.pem, for 127.0.0.1, and key.pem."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    directory = session_sites.directory()
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            directory / "key.pem",
            "-out",
            directory / "cert.pem",
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return directory


@pytest.fixture
def tls(certificate):
    """What a provider needs to show that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context
