"""nginx reloaded and restarted while streams run."""

import signal

from harness.crowd import Crowd
from harness.waiting import is_listening, wait_until


def test_no_stream_is_cut_when_nginx_reloads(sites, mock):
    site = sites.site(mock, workers=2)
    with Crowd(site, 50, "n=20 rate=10", 20) as crowd:
        wait_until(lambda: mock.stats()["open"] >= 50, "fifty streams run")
        for _ in range(5):
            before = crowd.ended
            site.nginx.signal(signal.SIGHUP)
            wait_until(lambda: crowd.ended >= before + 50, "fifty more streams have ended")
    assert not crowd.faults, f"{len(crowd.faults)} of {crowd.ended} streams: {crowd.faults[:3]}"


def test_when_nginx_ends_its_streams_end_at_the_provider_and_the_worker_goes_on(sites):
    mock = sites.mock()
    site = sites.site(mock, workers=2)
    answers = [site.ask("n=1000 rate=10") for _ in range(50)]
    for answer in answers:
        assert answer.next_token()
    site.nginx.stop()
    mock.wait_for(open=0, aborted=50)
    for answer in answers:
        answer.close()
    again = sites.nginx(site.worker.address)
    wait_until(lambda: is_listening(again.address), "nginx listens again")
    site.nginx = again
    with site.ask("n=3") as answer:
        assert answer.all_events().done
