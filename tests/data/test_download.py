"""`fetch` against a real server on this machine that does all that servers do wrong."""

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from nbnet_lib.data.fetch import transfer
from nbnet_lib.data.fetch.download import RemoteFile, fetch
from nbnet_lib.errors import NbnetError

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
TAG = '"v1"'
QUICK = {"progress": False, "timeout": 20, "pause": 0.01}
IMPATIENT = {**QUICK, "timeout": 0.6}


# ---- what the server does with one request: functions of its handler ----


def send(content=CONTENT, tag=TAG, modified=None, upto=None, ranges=True, then=None, **headers):
    """Send the content, or what is asked of it; stop after ``upto`` bytes of it and do ``then``."""

    def reply(handler):
        start, stated = 0, dict(headers)
        asked = handler.headers.get("Range")
        condition = handler.headers.get("If-Range")
        if ranges and asked and condition in (None, tag, modified):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                status(416, **{"Content-Range": f"bytes */{len(content)}"})(handler)
                return
            stated.setdefault("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_response(206 if start else 200)
        stated.setdefault("Content-Length", str(len(content) - start))
        stated.setdefault("ETag", tag)
        stated.setdefault("Last-Modified", modified)
        for name, value in stated.items():
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[start:upto])
        handler.wfile.flush()
        if then:
            then(handler)
        if upto is not None or then:
            handler.close_connection = True

    return reply


def status(code, **headers):
    def reply(handler):
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return reply


def stall(handler):
    """Send nothing more until the test is over."""
    handler.server.over.wait(20)


def drip(handler):
    """Go on with a byte now and then, so that no single wait is long."""
    for at in range(100_000, 100_200):
        if handler.server.over.wait(0.1):
            return
        try:
            handler.wfile.write(CONTENT[at : at + 1])
            handler.wfile.flush()
        except OSError:
            return


def chunked(content=CONTENT, whole=True):
    def reply(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for i in range(0, len(content), 50_000):
            block = content[i : i + 50_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return reply


def page(text=b"<!DOCTYPE html><html><title>Sign in</title></html>", kind="text/html", **more):
    return send(text, tag=None, ranges=False, **{"Content-Type": kind}, **more)


def in_pieces(*pieces):
    def reply(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(sum(map(len, pieces))))
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.05)

    return reply


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        with server.one:
            server.asked.append((self.path, dict(self.headers)))
            replies = server.replies.get(self.path, [status(404)])
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        try:
            reply(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_):
        pass


def serving(server):
    server.daemon_threads = True
    server.replies, server.asked = {}, []
    server.one, server.over = threading.Lock(), threading.Event()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    return server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """This machine is asked directly, whatever the developer's environment says."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def web():
    """A server; `web(path, *replies)` plans its answers and returns the address."""
    server = serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler))

    def plan(path, *replies):
        server.replies[path] = list(replies)
        return f"http://127.0.0.1:{server.server_port}{path}"

    plan.server, plan.asked = server, server.asked
    yield plan
    server.over.set()
    server.shutdown()
    server.server_close()


def remote(*urls, content=CONTENT, **known):
    known = known or {"sha256": hashlib.sha256(content).hexdigest()}
    return RemoteFile("set.tgz", urls, **known)


UNKNOWN = {"sha256": None}  # no checksum, no length


def ranges(web):
    return [headers.get("Range") for _, headers in web.asked]


def parts(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


# ---- it arrives ----


@pytest.mark.parametrize(
    "known",
    [
        {"sha256": hashlib.sha256(CONTENT).hexdigest().upper()},
        {"md5": hashlib.md5(CONTENT).hexdigest(), "bytes": len(CONTENT)},
        {"bytes": len(CONTENT)},
        UNKNOWN,
    ],
)
def test_a_file_arrives_whole_and_alone(web, tmp_path, known):
    path = fetch(remote(web("/a", send()), **known), tmp_path / "new" / "folder", **QUICK)
    assert path == tmp_path / "new" / "folder" / "set.tgz"
    assert path.read_bytes() == CONTENT
    assert parts(path.parent) == ["set.tgz"]
    assert len(web.asked) == 1
    assert web.asked[0][1]["Accept-Encoding"] == "identity"


def test_a_right_file_is_taken_without_asking(web, tmp_path):
    (tmp_path / "set.tgz").write_bytes(CONTENT)
    fetch(remote(web("/a", send())), tmp_path, **QUICK)
    fetch(remote(), tmp_path, **QUICK)
    assert web.asked == []


@pytest.mark.parametrize("urls", [("http://127.0.0.1:9/x",), ()])
def test_a_wrong_file_is_left_as_it_is(tmp_path, urls):
    (tmp_path / "set.tgz").write_bytes(OTHER)
    with pytest.raises(NbnetError, match=r"set\.tgz is there, but .*\(its SHA-256 is .* expected"):
        fetch(remote(*urls), tmp_path, **QUICK)
    assert (tmp_path / "set.tgz").read_bytes() == OTHER


def test_a_file_on_request_is_asked_for_by_hand(tmp_path):
    with pytest.raises(NbnetError) as told:
        fetch(remote(), tmp_path, **QUICK)
    assert str(tmp_path / "set.tgz") in str(told.value)
    assert hashlib.sha256(CONTENT).hexdigest() in str(told.value)


def test_an_empty_file_arrives(web, tmp_path):
    path = fetch(remote(web("/a", send(b"")), content=b""), tmp_path, **QUICK)
    assert path.read_bytes() == b""


def test_redirections_are_followed(web, tmp_path):
    to = {"Location": "/b"}, {"Location": web("/c", send(upto=100_000), send())}
    web("/b", status(307, **to[1]))
    path = fetch(remote(web("/a", status(302, **to[0])), **UNKNOWN), tmp_path, **QUICK)
    assert path.read_bytes() == CONTENT
    assert [p for p, _ in web.asked] == ["/a", "/b", "/c"] * 2
    assert web.asked[-1][1]["Range"] == "bytes=100000-"


def test_chunks_without_a_length_arrive(web, tmp_path):
    assert fetch(remote(web("/a", chunked()), **UNKNOWN), tmp_path, **QUICK).read_bytes() == CONTENT


def test_a_proxy_from_the_environment_is_used(web, tmp_path, monkeypatch):
    web("http://far.example/set.tgz", send())  # a proxy is asked for the whole address
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{web.server.server_port}")
    assert fetch(remote("http://far.example/set.tgz"), tmp_path, **QUICK).read_bytes() == CONTENT


# ---- it is cut, and goes on ----


@pytest.mark.parametrize("known", [{}, UNKNOWN])
def test_a_cut_is_followed_by_the_rest_only(web, tmp_path, known):
    url = web("/a", send(upto=100_000), send(upto=200_000), send())
    assert fetch(remote(url, **known), tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web) == [None, "bytes=100000-", "bytes=200000-"]
    assert web.asked[1][1]["If-Range"] == TAG


@pytest.mark.parametrize("reply", [send(upto=100_000, then=stall), send(upto=100_000, then=drip)])
def test_a_line_that_stalls_is_asked_again(web, tmp_path, reply):
    begun = time.monotonic()
    assert fetch(remote(web("/a", reply, send())), tmp_path, **IMPATIENT).read_bytes() == CONTENT
    assert 0.5 < time.monotonic() - begun < 15
    assert ranges(web)[0] is None and ranges(web)[1] is not None


def test_a_server_that_never_answers_is_given_up(web, tmp_path):
    begun = time.monotonic()
    with pytest.raises(NbnetError, match=r"/a: no answer for 0.6 s \(the last of 2 tries\)"):
        fetch(remote(web("/a", stall)), tmp_path, attempts=2, **IMPATIENT)
    assert 1.1 < time.monotonic() - begun < 15


@pytest.mark.parametrize("known", [{}, UNKNOWN])
def test_a_second_call_goes_on_where_the_first_ended(web, tmp_path, known):
    url = web("/a", send(upto=100_000), status(404), send())
    with pytest.raises(NbnetError, match="HTTP 404 Not Found; 100,000 bytes .* are kept"):
        fetch(remote(url, **known), tmp_path, **QUICK)
    assert parts(tmp_path) == ["set.tgz.part", "set.tgz.part.json"]
    assert fetch(remote(url, **known), tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web)[-1] == "bytes=100000-"
    assert parts(tmp_path) == ["set.tgz"]


def test_a_part_from_one_mirror_is_finished_by_another_when_a_checksum_is_known(web, tmp_path):
    one, two = web("/a", send(upto=100_000), status(403)), web("/b", send(tag='"theirs"'))
    assert fetch(remote(one, two), tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web)[-1] == "bytes=100000-"
    assert "If-Range" not in web.asked[-1][1]  # the tag is the other mirror's


def test_without_a_checksum_mirrors_are_never_mixed(web, tmp_path):
    one, two = web("/a", send(upto=100_000), status(403)), web("/b", send(OTHER))
    assert fetch(remote(one, two, **UNKNOWN), tmp_path, **QUICK).read_bytes() == OTHER
    assert ranges(web)[-1] is None


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_version_nothing_is_appended(web, tmp_path, tag):
    url = web("/a", send(OTHER, tag=tag, upto=100_000), send(tag=tag))
    assert fetch(remote(url, **UNKNOWN), tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web) == [None, None]


def test_a_date_is_a_version_too(web, tmp_path):
    date = "Mon, 02 Nov 2026 10:00:00 GMT"
    url = web("/a", send(tag=None, modified=date, upto=100_000), send(tag=None, modified=date))
    assert fetch(remote(url, **UNKNOWN), tmp_path, **QUICK).read_bytes() == CONTENT
    assert web.asked[1][1]["If-Range"] == date


@pytest.mark.parametrize(
    "second",
    [
        send(OTHER, tag='"v2"'),  # a proper server: the condition fails, so it sends all
        send(OTHER, ranges=False),  # one that ignores ranges
    ],
)
def test_a_changed_file_starts_anew(web, tmp_path, second):
    url = web("/a", send(upto=100_000), second)
    assert fetch(remote(url, **UNKNOWN), tmp_path, **QUICK).read_bytes() == OTHER
    assert len(web.asked) == 2


def ignoring_conditions(reply):
    def answer(handler):
        del handler.headers["If-Range"]
        reply(handler)

    return answer


@pytest.mark.parametrize(
    "second",
    [
        ignoring_conditions(send(OTHER, tag='"v2"')),
        ignoring_conditions(send(OTHER[:250_000])),  # the same tag, another length
        send(OTHER, **{"Content-Range": "bytes 150000-299999/300000"}),  # a gap
        send(OTHER, **{"Content-Range": "all of it"}),
        status(416, **{"Content-Range": "bytes */5"}),
    ],
)
def test_a_rest_that_does_not_fit_is_not_appended(web, tmp_path, second):
    url = web("/a", send(upto=100_000), second, send(OTHER))
    assert fetch(remote(url, **UNKNOWN), tmp_path, **QUICK).read_bytes() == OTHER
    assert ranges(web) == [None, "bytes=100000-", None]


def test_a_rest_that_begins_early_is_put_in_its_place(web, tmp_path):
    def early(handler):  # caches answer with whole blocks
        del handler.headers["Range"]
        handler.headers["Range"] = "bytes=65536-"
        send()(handler)

    url = web("/a", send(upto=100_000), early)
    assert fetch(remote(url, **UNKNOWN), tmp_path, **QUICK).read_bytes() == CONTENT


def test_a_wrong_first_part_is_noticed_and_dropped(web, tmp_path):
    one, two = web("/a", send(OTHER, upto=100_000), status(404)), web("/b", send())
    assert fetch(remote(one, two), tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web) == [None, "bytes=100000-", "bytes=100000-", None]


@pytest.mark.parametrize("attempts", [1, 4])
def test_a_mirror_that_has_another_file_is_asked_for_all_of_it_only_once_more(
    web, tmp_path, attempts
):
    (tmp_path / "set.tgz.part").write_bytes(CONTENT[:100_000])
    with pytest.raises(NbnetError, match="sent another file"):
        fetch(remote(web("/a", send(OTHER))), tmp_path, attempts=attempts, **QUICK)
    assert ranges(web) == ["bytes=100000-", None] and parts(tmp_path) == []


def test_a_download_killed_before_its_last_step_is_finished_without_asking(web, tmp_path):
    (tmp_path / "set.tgz.part").write_bytes(CONTENT)
    fetch(remote(web("/a", send()), bytes=len(CONTENT)), tmp_path, **QUICK)
    assert web.asked == [] and parts(tmp_path) == ["set.tgz"]


@pytest.mark.parametrize("part", [OTHER, CONTENT + b"more"])
def test_a_part_that_cannot_be_right_is_dropped(web, tmp_path, part):
    (tmp_path / "set.tgz.part").write_bytes(part)
    file = remote(web("/a", send()), sha256=hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT))
    assert fetch(file, tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web) == [None]


def test_a_damaged_note_is_no_obstacle(web, tmp_path):
    (tmp_path / "set.tgz.part").write_bytes(CONTENT[:1000])
    (tmp_path / "set.tgz.part.json").write_text('{"url": 3, "spin": ')
    assert fetch(remote(web("/a", send())), tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web) == ["bytes=1000-"]


def test_attempts_start_again_with_every_new_megabyte(web, tmp_path):
    big = random.Random(2).randbytes(5 << 20)
    cuts = [send(big, upto=n << 20) for n in range(1, 5)]
    url = web("/a", *cuts, send(big))
    assert fetch(remote(url, content=big), tmp_path, attempts=2, **QUICK).read_bytes() == big
    assert len(web.asked) == 5


def test_a_server_that_is_always_cut_at_the_same_byte_is_given_up(web, tmp_path):
    big = random.Random(2).randbytes(3 << 20)
    url = web("/a", send(big, upto=2 << 20, ranges=False))
    with pytest.raises(NbnetError, match="cut after 2,097,152 of 3,145,728 bytes"):
        fetch(remote(url, content=big), tmp_path, attempts=3, **QUICK)
    assert 3 <= len(web.asked) <= 4


# ---- a mirror does not give it ----


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (status(404), "HTTP 404 Not Found"),
        (status(403), "HTTP 403 Forbidden"),
        (status(302, Location="/a"), "more than 10 redirections"),
        (status(302, Location="ftp://127.0.0.1/x"), "no web address"),
        (page(), "sends a web page titled 'Sign in' instead of the file"),
        (page(b"\xef\xbb\xbf\n <HTML>", "application/octet-stream"), "sends a web page instead"),
        (in_pieces(b"<", b"!DOCTYPE", b" html>"), "sends a web page instead"),
        (page(b"<!-- licence -->", "text/html"), "sends a web page instead"),
        (send(OTHER), "sent another file: its SHA-256 is"),
        (send(CONTENT[:-1]), "it offers 299,999 bytes, expected 300,000"),
        (send(CONTENT + b"x"), "it offers 300,001 bytes, expected 300,000"),
        (chunked(CONTENT + b"x"), "more than the 300,000 bytes"),
        (send(**{"Content-Encoding": "br"}), "packs the file on its way"),
    ],
)
def test_the_next_mirror_is_asked_when_asking_again_is_of_no_use(web, tmp_path, reply, reason):
    one, two = web("/a", reply), web("/b", send())
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    file = remote(one, two, sha256=sha256, bytes=len(CONTENT))
    assert fetch(file, tmp_path / "ok", **QUICK).read_bytes() == CONTENT
    followed = 10 if "redirections" in reason else 1
    assert [p for p, _ in web.asked] == ["/a"] * followed + ["/b"]
    web("/b", status(404))
    with pytest.raises(NbnetError, match="HTTP 404") as told:
        fetch(file, tmp_path / "not", **QUICK)
    assert reason in str(told.value) and parts(tmp_path / "not") == []


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (status(503), "HTTP 503 Service Unavailable"),
        (status(500), "HTTP 500 Internal Server Error"),
        (status(429, **{"Retry-After": "0"}), "HTTP 429 Too Many Requests"),
        (status(503, **{"Retry-After": "\u00b2"}), "HTTP 503 Service Unavailable"),
        (send(upto=0), "the line was cut"),
        (send(ranges=False, upto=299_999), "cut after 299,999 of 300,000 bytes"),
    ],
)
def test_the_same_mirror_is_asked_again_when_it_may_do_better(web, tmp_path, first, reason):
    url = web("/a", first, send())
    assert fetch(remote(url), tmp_path / "ok", **QUICK).read_bytes() == CONTENT
    assert len(web.asked) == 2
    web.asked.clear()
    with pytest.raises(NbnetError, match=rf"{reason}.*the last of 3 tries"):
        fetch(remote(web("/a", first)), tmp_path / "not", attempts=3, **QUICK)
    assert len(web.asked) == 3


def test_the_pause_doubles_and_a_server_may_ask_for_more(web, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    url = web("/a", status(503), status(503), status(503, **{"Retry-After": "7"}), send())
    fetch(remote(url), tmp_path, progress=False, pause=1.0)
    assert slept == [1.0, 2.0, 7.0]


def test_a_server_may_not_ask_for_hours():
    assert transfer._retry_after("86400") == transfer.LONGEST_WAIT
    assert transfer._retry_after("Fri, 31 Dec 9999 23:59:59 GMT") == transfer.LONGEST_WAIT
    assert transfer._retry_after("Fri, 31 Dec 1999 23:59:59 GMT") == 0
    assert transfer._retry_after("soon") == transfer._retry_after("") == 0


def test_a_login_page_does_not_cost_the_part_that_is_here(web, tmp_path):
    url = web("/a", send(upto=100_000), page())
    with pytest.raises(NbnetError, match="web page"):
        fetch(remote(url), tmp_path, **QUICK)
    assert (tmp_path / "set.tgz.part").read_bytes() == CONTENT[:100_000]


def test_a_tgz_that_is_called_packed_is_kept_as_it_is(web, tmp_path):
    url = web("/a", send(**{"Content-Encoding": "x-gzip"}))
    assert fetch(remote(url, **UNKNOWN), tmp_path, **QUICK).read_bytes() == CONTENT


def test_a_server_that_says_more_than_it_has_is_only_believed_with_a_checksum(web, tmp_path):
    url = web("/a", send(**{"Content-Length": "300001"}, then=lambda handler: None))
    assert fetch(remote(url), tmp_path / "known", **QUICK).read_bytes() == CONTENT
    web.asked.clear()
    with pytest.raises(NbnetError, match=r"the last of 3 tries"):
        fetch(remote(url, **UNKNOWN), tmp_path / "unknown", attempts=3, **QUICK)
    assert len(web.asked) == 3 and "set.tgz" not in parts(tmp_path / "unknown")


@pytest.mark.parametrize("known", [{}, UNKNOWN])
def test_a_last_chunk_that_is_missing_is_a_cut(web, tmp_path, known):
    url = web("/a", chunked(whole=False), send(ranges=False))
    assert fetch(remote(url, **known), tmp_path, **QUICK).read_bytes() == CONTENT
    assert len(web.asked) == 2


def test_a_whole_part_is_recognised_when_there_is_no_rest(web, tmp_path):
    (tmp_path / "set.tgz.part").write_bytes(CONTENT)  # of a server that did not say its length
    assert fetch(remote(web("/a", send())), tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web) == ["bytes=300000-"]


def test_a_length_that_is_not_stated_is_only_taken_with_a_checksum(web, tmp_path):
    def until_closed(handler):
        send(**{"Content-Length": None}, then=lambda handler: None)(handler)

    url = web("/a", until_closed)
    assert fetch(remote(url), tmp_path / "known", **QUICK).read_bytes() == CONTENT
    with pytest.raises(NbnetError, match="does not say how long the file is"):
        fetch(remote(url, **UNKNOWN), tmp_path / "unknown", **QUICK)


def test_nobody_listens(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    file = remote(f"http://127.0.0.1:{port}/a")
    with pytest.raises(NbnetError) as told:
        fetch(file, tmp_path, attempts=2, **QUICK)
    words = str(told.value)
    assert "no connection (Connection refused)" in words or sys.platform == "win32"
    assert file.urls[0] in words and file.sha256 in words and str(tmp_path / "set.tgz") in words


def test_the_disk_is_too_small(web, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=299_999))
    with pytest.raises(NbnetError, match="disk is full"):  # the server says how long it is
        fetch(remote(web("/a", send())), tmp_path, **QUICK)
    web.asked.clear()
    with pytest.raises(NbnetError, match="disk is full"):  # known beforehand: it is not asked
        fetch(remote(web("/a", send()), bytes=300_000), tmp_path, **QUICK)
    assert web.asked == [] and parts(tmp_path) == []
    for reply in (send(), send(ranges=False)):  # what is here needs no room, or makes some
        (tmp_path / "set.tgz.part").write_bytes(CONTENT[:1])
        fetch(remote(web("/a", reply)), tmp_path, **QUICK).unlink()


@pytest.mark.skipif(os.name == "nt", reason="the system cannot limit the length of a file")
def test_the_disk_fills_up_on_the_way(web, tmp_path):
    import resource

    file = remote(web("/a", send()))
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, usual[1]))
    try:
        with pytest.raises(NbnetError, match=r"cannot write to .*too large.*goes on"):
            fetch(file, tmp_path, **QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert fetch(file, tmp_path, **QUICK).read_bytes() == CONTENT
    assert len(web.asked) == 2 and int(ranges(web)[1][6:-1]) > 100_000


# ---- processes ----

SCRIPT = """
import sys
from nbnet_lib.data.fetch.download import RemoteFile, fetch
fetch(RemoteFile("set.tgz", (sys.argv[1],), sha256=sys.argv[2]), sys.argv[3], timeout=20)
"""


def start(web_url, folder):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, web_url, sha256, str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen within 20 s"
        time.sleep(0.02)


@pytest.mark.parametrize(
    "end", ["SIGKILL", pytest.param("SIGINT", marks=pytest.mark.skipif(os.name == "nt", reason=""))]
)
def test_a_process_that_is_ended_leaves_a_part_that_is_of_use(web, tmp_path, end):
    url = web("/a", send(upto=100_000, then=stall), send())
    process = start(url, tmp_path)
    part = tmp_path / "set.tgz.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 0)
    process.send_signal(getattr(signal, end, signal.SIGTERM))
    process.communicate(timeout=20)
    assert process.returncode != 0 and not (tmp_path / "set.tgz").exists()
    here = part.stat().st_size
    assert json.loads((tmp_path / "set.tgz.part.json").read_text())["total"] == len(CONTENT)
    assert fetch(remote(url), tmp_path, **QUICK).read_bytes() == CONTENT
    assert ranges(web)[-1] == f"bytes={here}-"


def test_two_processes_ask_once(web, tmp_path):
    go = threading.Event()

    def rest(handler):
        go.wait(20)
        handler.wfile.write(CONTENT[100_000:])

    url = web("/a", send(upto=100_000, then=rest))
    first = start(url, tmp_path)
    wait_for(lambda: web.asked)
    second = start(url, tmp_path)
    assert "another process is downloading set.tgz" in second.stderr.readline()
    go.set()
    assert first.wait(20) == 0 and second.wait(20) == 0
    assert len(web.asked) == 1
    first.stderr.close(), second.stderr.close()


# ---- what may be asked for ----


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ({"name": "../set.tgz"}, "no file name"),
        ({"name": ".hidden"}, "no file name"),
        ({"name": ""}, "no file name"),
        ({"urls": "https://a.example/x"}, "one text"),
        ({"urls": ("ftp://a.example/x",)}, "no web address"),
        ({"urls": ("https:///x",)}, "no web address"),
        ({"urls": ("http://a.example/x",)}, "not encrypted and no checksum"),
        ({"urls": ("http://127.0.0.1.example/x",)}, "not encrypted and no checksum"),
        ({"sha256": "abc"}, "expected 64 hexadecimal digits"),
        ({"md5": "z" * 32}, "expected 32 hexadecimal digits"),
        ({"bytes": -1}, "0 or more"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(file, told):
    with pytest.raises(NbnetError, match=told):
        RemoteFile(**{"name": "set.tgz", **file})


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"timeout": 0}, {"pause": -1}])
def test_numbers_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(NbnetError, match="expected 1 or more attempts"):
        fetch(remote(), tmp_path, **wrong)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody has signed."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
        "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the openssl program")
    return folder


@pytest.fixture
def secure(certificate):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # the client hangs up on the certificate
    serving(server).replies["/a"] = [send()]
    server.url = f"https://127.0.0.1:{server.server_port}/a"
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


def test_https_comes_first_and_its_certificate_must_be_right(
    web, secure, certificate, tmp_path, monkeypatch
):
    file = remote(web("/a", send()), secure.url)
    fetch(file, tmp_path / "1", **QUICK)
    assert secure.asked == [] and len(web.asked) == 1  # nobody vouches for it
    with pytest.raises(NbnetError, match="certificate is refused"):
        fetch(remote(secure.url), tmp_path / "2", **QUICK)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    fetch(file, tmp_path / "3", **QUICK)
    assert len(secure.asked) == 1 and len(web.asked) == 1


def test_https_does_not_lead_to_http(web, secure, certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    secure.replies["/a"] = [status(302, Location=web("/b", send()))]
    with pytest.raises(NbnetError, match="leads from https to http://.* not encrypted"):
        fetch(remote(secure.url), tmp_path, **QUICK)
    assert web.asked == []
    with pytest.raises(transfer.MirrorFailed, match="not encrypted"):
        transfer.next_address(remote(), "HTTPS://a.example/x", "http://a.example/x")


def test_progress_goes_to_stderr_only(web, tmp_path, capsys):
    fetch(remote(web("/a", status(503), send())), tmp_path, pause=0.01)
    seen = capsys.readouterr()
    assert seen.out == "" and "HTTP 503 Service Unavailable; trying again" in seen.err
