"""Certificates that only their own file vouches for."""

import datetime
import shutil
import ssl
import subprocess

import pytest

CA = """
[ca]
default_ca = own
[own]
database = {directory}/index.txt
serial = {directory}/serial
new_certs_dir = {directory}
default_md = sha256
policy = any
x509_extensions = extensions
unique_subject = no
[any]
commonName = supplied
[extensions]
basicConstraints = CA:TRUE
subjectAltName = {host}
[req]
distinguished_name = name
[name]
"""


def make_certificate(directory, host="IP:127.0.0.1", begins=0, ends=30):
    """cert.pem and key.pem in `directory`. `begins` and `ends`: days from now."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    config = directory / "ca.conf"
    config.write_text(CA.format(directory=directory, host=host))
    (directory / "index.txt").write_text("")
    (directory / "serial").write_text("01")
    key, request, cert = (directory / name for name in ("key.pem", "request.pem", "cert.pem"))
    # A minute ago, so that no clock that is read a little later or earlier finds it not valid yet.
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    dates = [(now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ") for days in (begins, ends)]
    openssl(
        ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-config", config, "-subj", "/CN=test"]
        + ["-keyout", key, "-out", request]
    )
    openssl(
        ["ca", "-selfsign", "-batch", "-notext", "-config", config, "-keyfile", key, "-in", request, "-out", cert]
        + ["-startdate", dates[0], "-enddate", dates[1]]
    )
    return directory


def openssl(arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def server_context(directory):
    """What a provider needs to show that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context


@pytest.fixture(scope="session")
def certificate(session_sites):
    """A directory with cert.pem, for 127.0.0.1, and key.pem."""
    return make_certificate(session_sites.directory())


@pytest.fixture
def tls(certificate):
    return server_context(certificate)
