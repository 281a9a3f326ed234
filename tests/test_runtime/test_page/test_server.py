"""The page's server, asked by real clients."""

from __future__ import annotations

import json
import socket
import time

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from runtime.outputs import read_poses
from runtime.page import Page
from runtime.page.server import parsed
from sa3dhp_edge.errors import ConfigError, OutputError


def base(page: Page) -> str:
    return page.url.split("?")[0].rstrip("/")


def test_the_page_and_its_parts_come_with_strict_headers(serve) -> None:
    page = serve()
    for path, kind in (("/", "text/html"), ("/app.js", "javascript"), ("/style.css", "text/css"), ("/icon.svg", "svg")):
        answer = httpx.get(base(page) + path)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in ("/server.py", "/..%2fserver.py", "/%2e%2e/server.py", "/nothing"):
        assert httpx.get(base(page) + path).status_code == 404


def test_health_follows_the_run(serve, monitor, clock, seen) -> None:
    page = serve()
    monitor.write(*seen(0, 1))
    assert httpx.get(base(page) + "/healthz").json() == {"healthy": True, "reason": ""}
    clock.now_s += 20
    answer = httpx.get(base(page) + "/healthz")
    assert answer.status_code == 503
    assert "no frame was finished for 20 s" in answer.json()["reason"]


def test_metrics_are_prometheus(serve, monitor, clock, seen) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    page = serve()
    for i in range(5):
        clock.now_s += 0.1
        monitor.write(*seen(i, 1, 2))
    text = httpx.get(base(page) + "/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (s.name, *sorted(s.labels.items())): s.value
        for family in parser.text_string_to_metric_families(text.text)
        for s in family.samples
    }
    assert samples[("sa3dhp_frames_total",)] == 5
    assert samples[("sa3dhp_poses_total",)] == 10
    assert samples[("sa3dhp_people",)] == 2
    assert samples[("sa3dhp_healthy",)] == 1
    assert samples[("sa3dhp_source_state", ("state", "live"))] == 1
    assert samples[("sa3dhp_source_state", ("state", "lost"))] == 0
    assert samples[("sa3dhp_latency_milliseconds", ("quantile", "0.5"), ("stage", "total"))] == 7
    assert samples[("sa3dhp_resident_memory_bytes",)] > 1e6
    assert "s3cret" not in text.text


def live(page: Page, **more):
    return connect(base(page).replace("http", "ws") + "/live", compression=None, **more)


def test_who_asks_gets_state_and_picture_and_who_does_not_gets_nothing(serve, monitor, seen) -> None:
    page = serve()
    monitor.write(*seen(3, 1, 4))
    with live(page) as one:
        with pytest.raises(TimeoutError):
            one.recv(0.3)
        one.send("next")
        state = json.loads(one.recv(30))
        picture = cv2.imdecode(np.frombuffer(one.recv(30), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (48, 64, 3)
        assert abs(int(picture.mean()) - 30) <= 2
        assert [p["track"] for p in state["people"]] == [1, 4]
        truth = seen(3, 1, 4)[1][0].joints_mm
        assert np.abs(np.array(state["people"][0]["joints_mm"]) - truth).max() < 0.1
        assert state["model"] == "hall"
        assert state["adaptation"] is None
        one.send("next")
        assert json.loads(one.recv(30))["picture"] is False  # nothing newer: the state alone, after a while
        monitor.write(*seen(4))
        one.send("next")
        assert json.loads(one.recv(30))["people"] == []


def test_pages_that_never_read_cost_the_loop_nothing(serve, monitor, seen) -> None:
    page = serve()
    with live(page) as lazy:
        lazy.send("next")
        begun = time.monotonic()
        for i in range(2000):
            page.write(*seen(i, 1))
        assert time.monotonic() - begun < 20
    assert monitor.now().counts.frames == 2000


def test_a_recording_is_started_and_stopped_and_is_whole(serve, recorder, seen) -> None:
    page = serve()
    page.write(*seen(0, 1))
    told = httpx.post(base(page) + "/api/recording/start").json()
    assert told["active"]
    for i in range(1, 6):
        page.write(*seen(i, 1))
    assert httpx.post(base(page) + "/api/recording/start").json()["path"] == told["path"]
    told = httpx.post(base(page) + "/api/recording/stop").json()
    assert (told["active"], told["frames"], told["error"]) == (False, 5, "")
    page.write(*seen(6, 1))
    records = read_poses(recorder.now.path)
    assert [r["frame"] for r in records[1:]] == [1, 2, 3, 4, 5]
    assert httpx.post(base(page) + "/api/recording/pause").status_code == 404
    assert httpx.get(base(page) + "/api/recording/start").status_code == 405


def test_a_disk_that_refuses_is_told_and_the_run_goes_on(serve, recorder, until, tmp_path, monkeypatch, seen) -> None:
    page = serve()
    (tmp_path / "kept").write_text("a file where the folder should be")
    answer = httpx.post(base(page) + "/api/recording/start")
    assert answer.status_code == 507
    assert "cannot be written" in answer.json()["error"]
    (tmp_path / "kept").unlink()
    httpx.post(base(page) + "/api/recording/start")

    def refuse(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr("runtime.outputs.jsonl.PoseWriter.write", refuse)

    def ended() -> bool:
        page.write(*seen(1, 1))
        return recorder.now.error == "the disk is full"

    until(ended)
    assert not recorder.now.active


def test_without_a_folder_recording_is_refused_with_what_to_give(serve) -> None:
    page = serve(record=False)
    answer = httpx.post(base(page) + "/api/recording/start")
    assert answer.status_code == 409
    assert "--recordings" in answer.json()["error"]


def test_names_and_pages_from_elsewhere_are_refused(serve) -> None:
    page = serve()
    here = {"origin": base(page)}
    assert httpx.get(base(page) + "/", headers={"host": "evil.example"}).status_code == 403
    assert httpx.get(base(page) + "/", headers={"host": f"localhost:{base(page).rsplit(':', 1)[1]}"}).status_code == 200
    url = base(page) + "/api/recording/stop"
    assert httpx.post(url, headers={"origin": "http://evil.example"}).status_code == 403
    assert httpx.post(url, headers=here).status_code == 200
    with pytest.raises(InvalidStatus):
        live(page, origin="http://evil.example")
    with live(page, origin=base(page)) as one:
        one.send("next")
        one.recv(30)


def test_a_token_opens_by_address_header_or_cookie_and_nothing_else_does(serve) -> None:
    page = serve(token="open-sesame")
    assert page.url.endswith("?token=open-sesame")
    url = base(page)
    assert httpx.get(url + "/").status_code == 401
    assert httpx.get(url + "/?token=open-sesamee").status_code == 401
    opened = httpx.get(page.url)
    assert opened.status_code == 200
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert httpx.get(url + "/app.js", headers={"cookie": cookie.split(";")[0]}).status_code == 200
    assert httpx.get(url + "/app.js", headers={"authorization": "Bearer open-sesame"}).status_code == 200
    assert httpx.post(url + "/api/recording/start").status_code == 401
    with pytest.raises(InvalidStatus):
        live(page)
    assert httpx.get(url + "/healthz").status_code == 200  # a program of this machine


def test_a_page_for_other_machines_has_a_token_of_its_own(serve) -> None:
    page = serve("0.0.0.0:0")
    assert "?token=" in page.url
    assert len(page.url.split("token=")[1]) >= 20


def test_a_port_that_is_taken_and_one_that_cannot_be(serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutputError, match="cannot be served"):
        serve(f"127.0.0.1:{taken.getsockname()[1]}")
    assert parsed("8080") == ("127.0.0.1", 8080)
    assert parsed("[::1]:80") == ("::1", 80)
    for wrong in ("localhost", "a:b", "1:99999", ""):
        with pytest.raises(ConfigError):
            parsed(wrong)


def test_it_ends_in_time_with_a_page_open(serve, monitor, seen) -> None:
    page = serve()
    monitor.write(*seen(0, 1))
    with live(page) as one:
        one.send("next")
        one.recv(30)
        begun = time.monotonic()
        page.close()
        page.close()
        assert time.monotonic() - begun < 10
    assert not page._thread.is_alive()
