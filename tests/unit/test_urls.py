"""`redis.url`: what is meant is understood, and anything else is a sentence without a password."""

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service import config
from service.backends.connect import _server_of
from service.backends.server import Server
from service.errors import ConfigError

PASSWORD = "p4ssw0rd"

GOOD = [
    "redis://h",
    "redis://h/",
    "REDIS://my_host.:6380/3",
    "redis://bücher.example",
    f"redis://u:{PASSWORD}@[::1]:6379/0?health_check_interval=5",
    f"rediss://:{PASSWORD}%40@h:6380/?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem",
    "unix:///a folder/it's # 1.sock?db=1",
    f"redis+sentinel://u:{PASSWORD}@a:1,[::1]:2/name?sentinel_password={PASSWORD}",
    "rediss+sentinel://a:1/name",
    f"redis+cluster://:{PASSWORD}@a:1,b:2,[::1]:3/",
    "rediss+cluster://a:1",
    "fakeredis://",
]

REST = ["", "/0", "?db=1", ":6379", "h:", "h:0", "h:-1", "h:99999", "h:port/0", "h,g:1"]
REST += ["[::1:6379/0", "[::1]x:1", "a..b", "a" * 64, "%41%00", "℀/", "h x", "h\n", "h\0", "\udcff"]
REST += ["h/abc", "h/0/1", "h/-1", "h#1", "h?db=x", "h?nothing=1", "h?protocol=9"]
BAD = [
    *(f"redis://:{PASSWORD}@{rest}" for rest in REST),
    *(f"redis+cluster://:{PASSWORD}@{rest}" for rest in [*REST, "h", "h:1,", "h:1/0", "h:1?db=0"]),
    *(f"redis+sentinel://:{PASSWORD}@{rest}/name" for rest in [*REST, "h", "h:1,", "h:1/a"]),
    f"redis+sentinel://:{PASSWORD}@h:1",
    f"redis+sentinel://h:1/name?sentinel_password={PASSWORD}&x=1",
    f"redis+sentinel://h:1/name?sentinel_password{PASSWORD}",
    f"rediss://:{PASSWORD}@h?ssl_cert_reqs=some",
    f"redis://:{PASSWORD}/1@h:1",
    f"redis://:{PASSWORD}#1@h:1",
    f"redis://:{PASSWORD}[@h:1",
    f"fakeredis://{PASSWORD}[",
    f"unix://{PASSWORD}",
    f"unix:///{PASSWORD}%00",
    f"http://:{PASSWORD}@h",
    f":{PASSWORD}@h",
    PASSWORD,
]


def server_of(url: str) -> Server:
    async def made() -> Server:
        return _server_of(url, config.Redis())

    return asyncio.run(made())


@pytest.mark.parametrize("url", GOOD)
def test_a_url_of_each_form_is_understood(url: str) -> None:
    assert isinstance(server_of(url), Server)


@pytest.mark.parametrize("url", BAD)
def test_a_url_that_cannot_be_used_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis\.url") as refusal:
        server_of(url)
    assert PASSWORD not in str(refusal.value)
    assert refusal.value.__suppress_context__


SCHEMES = ["redis", "rediss", "unix", "redis+sentinel", "redis+cluster", "fakeredis", "http", ""]
PIECES = ["://", ":", "//", "/", "@", "[", "]", "[::1]", "::", "?", "&", "=", "#", ",", "%", "%00"]
PIECES += ["0", "6379", "99999", "db", "ssl_cert_reqs", "timeout", "name", "h", " ", "\t", "é", "℀"]


@given(
    st.sampled_from(SCHEMES),
    st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join),
)
@example("redis", "://:p@[::1:6379/0")
def test_whatever_the_text_it_is_a_server_or_a_sentence(scheme: str, rest: str) -> None:
    try:
        server_of(scheme + rest)
    except ConfigError as refusal:
        assert "redis.url" in str(refusal)
