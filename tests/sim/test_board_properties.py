"""Whatever a client sends, a simulated board answers with one valid frame or says nothing."""

from typing import Any

import pytest
from board_talk import Talk
from hypothesis import given, settings
from hypothesis import strategies as st

from antbms.protocol import parse
from antbms.protocol.ant.frame import close_envelope as ant_frame
from antbms.protocol.ant_legacy.frame import short_frame
from antbms.protocol.jbd.frame import close_envelope as jbd_frame
from antbms.sim import FAULTS
from antbms.sim.models import MODELS

BYTE, WORD = st.integers(0, 255), st.integers(0, 0xFFFF)
DATA = st.binary(max_size=40)
ADDRESS = st.one_of(WORD, st.integers(0, 800), st.sampled_from([0, 330, 338, 362, 374, 620]))
ANT = st.one_of(
    st.builds(
        lambda function, register, wanted: ant_frame({"function": function, "register": register, "wanted": wanted}),
        st.integers(0, 15), ADDRESS, BYTE,
    ),
    st.builds(
        lambda function, register, data: ant_frame({"function": function, "register": register}, data),
        st.one_of(st.integers(16, 255), st.sampled_from([0x22, 0x23, 0x51])), ADDRESS, DATA,
    ),
)  # fmt: skip
LEGACY = st.builds(short_frame, st.sampled_from([0xDB, 0x5A, 0xA5]), BYTE, st.one_of(WORD, st.integers(0, 2)))
JBD = st.one_of(
    st.builds(
        lambda action, register, data: jbd_frame({"action": action, "register": register}, data),
        st.sampled_from([0xA5, 0x5A]),
        st.one_of(BYTE, st.sampled_from([0, 1, 6, 7, 9, 0x0A, 0xE1, 0xE3, 0xFA])),
        st.one_of(DATA, st.sampled_from([b"\x56\x78", b"\x28\x28", b"\x00\x00", bytes(13)])),
    ),
    st.builds(
        lambda command, data: jbd_frame({"command": command}, data),
        st.sampled_from([0x07, 0x15, 0x16, 0x17, 0x18, 0x1D, 0x21]), st.binary(max_size=15),
    ),
)  # fmt: skip
REQUESTS: dict[str, Any] = {"ant": ANT, "ant-legacy": LEGACY, "jbd": JBD}
MANNERS = ("", "lie", "refuse", "mute", "slow")


@pytest.mark.parametrize("name", [*MODELS, "ant", "ant-legacy", "jbd"])
@settings(max_examples=25)
@given(st.data())
def test_one_valid_frame_or_silence(name: str, data: st.DataObject) -> None:
    protocol = MODELS[name].protocol if name in MODELS else name
    manner = data.draw(st.sampled_from(MANNERS))
    assert not manner or manner in FAULTS
    talk = Talk(protocol, faults=manner, **({"model": name} if name in MODELS else {}))
    for raw in data.draw(st.lists(REQUESTS[protocol], max_size=12)):
        talk.wait(data.draw(st.sampled_from([0.0, 1.0, 7.0, 400.0])))
        answer = talk.device.receive(raw, talk.at)
        if answer:
            assert parse(answer).protocol == protocol
