"""A reason that a running agent wrote down in English is read in the reader's language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.wording import in_words
from provisioning.wording.recovered import recovered
from wording.messages import said

REASONS = {
    said("connection lost"): "连接中断",
    said("the broker cannot be reached: {reason}", reason="Connection refused"): (
        "连不上 MQTT 服务器：连接被拒绝"
    ),
    said("no camera driver {driver!r}; there are: {known}", driver="x'y", known=["a", "b"]): (
        '没有摄像头驱动 "x\'y"；现有：a, b'
    ),
    said("no picture for {seconds:g} s", seconds=7.5): "已有 7.5 秒没有画面",
    said(
        "{reason}; so as not to lock the user out, the next try is in {minutes:.0f} min",
        reason=said("the camera refuses the user or the password"),
        minutes=4.0,
    ): "摄像头拒绝了用户名或密码；为避免用户被锁定，4 分钟后再试",
}


@pytest.fixture(autouse=True)
def _chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERBWATCH_LANGUAGE", "zh_CN")


@pytest.mark.parametrize(("text", "shown"), REASONS.items(), ids=list(REASONS))
def test_a_text_of_ours_that_came_out_of_a_file_is_translated(text: str, shown: str) -> None:
    assert in_words(recovered(str(text))) == shown


def test_a_text_of_another_stays_as_it_is() -> None:
    for text in ("", "x", "a: b", "tls alert 42", "{reason}", "the broker is made of {cheese}"):
        assert in_words(recovered(text)) == text


@given(st.text() | st.sampled_from(list(REASONS)).map(lambda text: f"{text}: {text}"))
def test_what_is_recovered_is_the_very_same_text(text: str) -> None:
    assert recovered(text) == text


def test_who_reads_english_reads_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERBWATCH_LANGUAGE", "en")
    assert type(recovered("connection lost")) is str
