"""`download` against a real server on this machine that does what servers do wrong."""

import hashlib
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nbnet_lib.data import remote
from nbnet_lib.data.remote import RemoteFile, download
from nbnet_lib.errors import NbnetError

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def send(content=CONTENT, upto=None, kind="application/gzip"):
    """Send the content, or the rest that is asked for; the line is cut after ``upto`` bytes."""

    def reply(handler):
        wanted = handler.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start > len(content):
            return status(416)(handler)
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        handler.wfile.write(content[start:upto])
        if upto is not None:
            handler.close_connection = True
        return None

    return reply


def status(code, **headers):
    def reply(handler):
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return reply


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        replies = self.server.replies.get(self.path, [status(404)])
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    def log_message(self, *_):
        pass


@pytest.fixture
def web(monkeypatch):
    """A server; `web(path, *replies)` plans its answers and returns the address."""
    monkeypatch.setattr(remote, "WAIT", 0.01)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.replies, server.asked = {}, []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def plan(path, *replies):
        server.replies[path] = list(replies)
        return f"http://127.0.0.1:{server.server_port}{path}"

    plan.asked = server.asked
    yield plan
    server.shutdown()
    server.server_close()


def file(*urls, **known):
    return RemoteFile("set.tgz", urls, **(known or {"sha256": SHA256}))


UNKNOWN = {"sha256": None}


def get(wanted, folder, **options):
    return download(wanted, folder, progress=False, timeout=20, **options)


@pytest.mark.parametrize("known", [{"md5": hashlib.md5(CONTENT).hexdigest()}, UNKNOWN])
def test_a_file_arrives_whole_and_alone(web, tmp_path, known):
    wanted = file(web("/a", send()), **known)
    path = get(wanted, tmp_path / "new")
    assert path.read_bytes() == CONTENT and path.name == "set.tgz"
    left = {p.name for p in path.parent.iterdir() if not p.name.endswith(".lock")}
    assert left - {"set.tgz.sha256"} == {"set.tgz"}
    # What nobody publishes a checksum of has the one of what came.
    assert ("set.tgz.sha256" in left) == (known == UNKNOWN)
    assert get(wanted, tmp_path / "new") == path and len(web.asked) == 1


def test_another_file_than_the_first_is_noticed_without_a_published_checksum(web, tmp_path, capsys):
    wanted = file(web("/a", send(), send(OTHER), send()), **UNKNOWN)
    path = get(wanted, tmp_path)
    assert SHA256 in capsys.readouterr().err
    assert (
        tmp_path / "set.tgz.sha256"
    ).read_text() == f"{SHA256}  set.tgz\n"  # as sha256sum has it
    path.write_bytes(OTHER)
    with pytest.raises(NbnetError, match=f"set.tgz.sha256 says .*{SHA256}.: move it away"):
        get(wanted, tmp_path)
    path.unlink()
    with pytest.raises(NbnetError, match=f"another file: .*expected {SHA256}"):
        get(wanted, tmp_path)
    assert get(wanted, tmp_path).read_bytes() == CONTENT
    assert capsys.readouterr().err == ""


def test_a_wrong_file_is_left_as_it_is(tmp_path):
    (tmp_path / "set.tgz").write_bytes(OTHER)
    with pytest.raises(NbnetError, match=f"not the published file .*{SHA256}"):
        get(file(), tmp_path)
    assert (tmp_path / "set.tgz").read_bytes() == OTHER


def test_a_file_on_request_is_asked_for_by_hand(tmp_path):
    with pytest.raises(NbnetError, match=f"on request.*SHA-256 {SHA256}.*by hand"):
        get(file(), tmp_path)
    (tmp_path / "set.tgz").write_bytes(CONTENT)
    assert get(file(), tmp_path).read_bytes() == CONTENT


def test_a_cut_is_followed_by_the_rest_only(web, tmp_path):
    url = web("/a", send(upto=100_000), send(upto=200_000), send())
    assert get(file(url), tmp_path).read_bytes() == CONTENT
    starts = [0 if r is None else int(r[6:-1]) for _, r in web.asked]
    assert starts[0] == 0 and 0 < starts[1] <= 100_000 < starts[2] <= 200_000


def test_a_second_call_resumes_where_a_checksum_vouches_for_the_whole(web, tmp_path):
    (tmp_path / "set.tgz.part").write_bytes(CONTENT[:100_000])
    assert get(file(web("/a", send())), tmp_path).read_bytes() == CONTENT
    assert web.asked == [("/a", "bytes=100000-")]


def test_a_second_call_begins_anew_without_a_checksum(web, tmp_path):
    (tmp_path / "set.tgz.part").write_bytes(OTHER[:100_000])
    assert get(file(web("/a", send()), **UNKNOWN), tmp_path).read_bytes() == CONTENT
    assert web.asked == [("/a", None)]


@pytest.mark.parametrize("part", [OTHER[:9000], OTHER + b"more"])
def test_a_wrong_part_is_dropped(web, tmp_path, part):
    (tmp_path / "set.tgz.part").write_bytes(part)
    assert get(file(web("/a", send())), tmp_path).read_bytes() == CONTENT
    assert web.asked[-1] == ("/a", None)


def test_a_whole_part_is_taken_without_asking(web, tmp_path):
    (tmp_path / "set.tgz.part").write_bytes(CONTENT)
    assert get(file(web("/a", send())), tmp_path).read_bytes() == CONTENT
    assert web.asked == []


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (status(404), "404"),
        (send(OTHER), "sent another file: its SHA-256"),
        (send(b"<html>log in</html>", kind="text/html; charset=utf-8"), "web page"),
        (send(upto=5), "."),  # cut at the same byte each time
    ],
)
def test_the_next_mirror_is_asked(web, tmp_path, reply, reason):
    first, second = web("/first", reply), web("/second", send())
    assert get(file(first, second), tmp_path, attempts=2).read_bytes() == CONTENT
    with pytest.raises(NbnetError, match=f"first: .*{reason}.* by hand"):
        get(file(first), tmp_path / "alone", attempts=2)
    assert not (tmp_path / "alone" / "set.tgz").exists()


def test_a_busy_server_is_asked_again(web, tmp_path):
    url = web("/a", status(503), status(429), send())
    assert get(file(url), tmp_path).read_bytes() == CONTENT
    assert len(web.asked) == 3


def test_an_address_that_is_not_encrypted_needs_a_checksum(tmp_path):
    with pytest.raises(NbnetError, match="not encrypted"):
        get(file("http://example.org/set.tgz", **UNKNOWN), tmp_path)


def test_nor_does_a_redirection_lead_to_one(web, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "THIS_MACHINE", ("localhost",))
    url = web("/a", status(302, Location=web("/b", send()))).replace("127.0.0.1", "localhost")
    with pytest.raises(NbnetError, match="127.0.0.1.*not encrypted"):
        get(file(url, **UNKNOWN), tmp_path)
    assert get(file(url), tmp_path).read_bytes() == CONTENT  # a checksum vouches for it


def test_a_full_disk_keeps_what_has_come(web, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(remote, "open", full, raising=False)
        with pytest.raises(NbnetError, match="No space left on device.*make room"):
            get(file(web("/a", send())), tmp_path)
    assert get(file(web("/a", send())), tmp_path).read_bytes() == CONTENT
