"""The Debian package as a file: what is in it, what it depends on, and what lintian says. test_installed.py installs it."""

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from harness.package import build, needed
from harness.paths import PAGE, REPOSITORY, SHEEPFCGI
from harness.starting import needs


@pytest.fixture(scope="module")
def files(package):
    """What is in it: the members, and what each file holds."""
    packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True, timeout=120)
    return tarfile.open(fileobj=io.BytesIO(packed.stdout))


def text(files, path):
    bytes_ = files.extractfile(f"./{path}").read()
    return (gzip.decompress(bytes_) if path.endswith(".gz") else bytes_).decode()


def field(package, name):
    words = ["dpkg-deb", "-f", package, name]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def test_all_that_the_site_needs_is_where_debian_looks_for_it(files):
    expected = {
        "etc/logrotate.d/sheepfcgi": 0o644,
        "etc/nginx/conf.d/sheep_http.conf": 0o644,
        "etc/nginx/sheep_params": 0o644,
        "etc/nginx/snippets/sheepfcgi.conf": 0o644,
        "etc/sheepfcgi/keys": 0o700,
        "etc/sheepfcgi/sheepfcgi.yaml": 0o644,
        "lib/systemd/system/sheepfcgi.service": 0o644,
        "lib/systemd/system/sheepfcgi.socket": 0o644,
        "usr/bin/sheepfcgi": 0o755,
        "usr/lib/sysusers.d/sheepfcgi.conf": 0o644,
        "usr/share/bash-completion/completions/sheepfcgi": 0o644,
        "usr/share/doc/sheepfcgi/changelog.gz": 0o644,
        "usr/share/doc/sheepfcgi/copyright": 0o644,
        "usr/share/fish/vendor_completions.d/sheepfcgi.fish": 0o644,
        "usr/share/man/man1/sheepfcgi.1.gz": 0o644,
        "usr/share/man/man5/sheepfcgi.yaml.5.gz": 0o644,
        "usr/share/zsh/vendor-completions/_sheepfcgi": 0o644,
    } | {f"usr/share/sheepfcgi/public/{file.name}": 0o644 for file in PAGE.iterdir()}
    found = {member.name.removeprefix("./"): member for member in files.getmembers()}
    assert {path: found[path].mode for path in expected} == expected
    assert {(member.uname, member.gname) for member in found.values()} == {("root", "root")}


def test_what_a_site_changes_is_asked_about_before_it_is_overwritten(package):
    words = ["dpkg-deb", "-I", package, "conffiles"]
    listed = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert set(listed) == {
        "/etc/logrotate.d/sheepfcgi",
        "/etc/nginx/conf.d/sheep_http.conf",
        "/etc/nginx/sheep_params",
        "/etc/nginx/snippets/sheepfcgi.conf",
        "/etc/sheepfcgi/sheepfcgi.yaml",
    }


def test_the_package_of_every_library_that_is_linked_is_in_depends(package):
    depends = {re.split(r"[ (]", each.strip())[0] for each in field(package, "Depends").split(",")}
    libraries = needed(SHEEPFCGI)
    assert "libcurl.so.4" in libraries
    for library in libraries:
        # The kernel's loader is of libc6, as are libm and others.
        owner = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, timeout=60).stdout
        owners = {line.partition(":")[0] for line in owner.splitlines()}
        assert owners & depends, f"{library} is of {owners or 'no package'}, and Depends has {depends}"


@needs("lintian")
def test_lintian_finds_nothing_to_say(package):
    # Overridden: what cannot be otherwise, with its reason, in deploy/debian/sheepfcgi.lintian-overrides.
    words = ["lintian", "--allow-root", "--fail-on", "error,warning", package]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0 and not ended.stdout, ended.stdout + ended.stderr


def test_built_again_by_an_ordinary_user_it_is_the_same(package, directory):
    user = "nobody" if os.geteuid() == 0 and can_build("nobody") else None
    if user:
        shutil.chown(directory, user)
    assert digest(build(directory, user=user)) == digest(package)


def can_build(user):
    """Whether the checkout and the program lie where that user can read them."""
    words = ["sh", "-c", 'test -x "$0" && test -x "$1"', SHEEPFCGI, REPOSITORY / "scripts/deb"]
    return subprocess.run(words, user=user, timeout=60).returncode == 0


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_man_page_says_what_help_says(files):
    page = re.sub(r"\\f[BIR]", "", text(files, "usr/share/man/man1/sheepfcgi.1.gz")).replace("\\-", "-")
    commands = re.findall(r"(?m)^  ([a-z]+) ", said("--help").partition("SUBCOMMANDS:")[2])
    assert {"serve", "check", "compare"} <= set(commands)
    for command in commands:
        help_ = said(command, "--help")
        assert f'.SS "sheepfcgi {command}"' in page
        for option in re.findall(r"(?m)^  (--[a-z-]+)", help_):
            assert re.search(rf"(?m)^{option}\b", page), f"the man page has no {option} of {command}"
        # One long sentence stands for the text, which is laid out in lines of another length.
        overview = " ".join(help_.partition("USAGE:")[0].removeprefix("OVERVIEW:").split())
        sentence = max(re.findall(r"[^.:]+", overview), key=len).strip()
        assert sentence in " ".join(page.split())


def said(*words):
    return subprocess.run([SHEEPFCGI, *words], check=True, capture_output=True, text=True, timeout=60).stdout


@needs("man")
@pytest.mark.parametrize("path", ["usr/share/man/man1/sheepfcgi.1.gz", "usr/share/man/man5/sheepfcgi.yaml.5.gz"])
def test_man_has_no_objection(files, directory, path):
    (directory / "page").write_text(text(files, path))
    words = ["man", "--warnings", "-l", directory / "page"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, env={"LANG": "C.UTF-8", "PATH": "/usr/bin"})
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    assert "NAME" in ended.stdout


def test_the_snippet_shows_the_page_that_is_in_the_package(files):
    snippet = text(files, "etc/nginx/snippets/sheepfcgi.conf")
    assert "\n    alias /usr/share/sheepfcgi/public/;" in snippet
    assert "include snippets/sheepfcgi.conf;" in snippet
    assert "server unix:/run/sheepfcgi/sheepfcgi.sock;" in text(files, "etc/nginx/conf.d/sheep_http.conf")
    assert "ListenStream=/run/sheepfcgi/sheepfcgi.sock" in text(files, "lib/systemd/system/sheepfcgi.socket")


def test_the_changelog_is_the_projects_own(files, package):
    changelog = text(files, "usr/share/doc/sheepfcgi/changelog.gz")
    assert changelog.startswith(f"sheepfcgi ({field(package, 'Version')}) ")
    assert "  * " in changelog
