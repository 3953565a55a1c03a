"""Addresses as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antbms.errors import UsageError
from antbms.transport.address import COMMON_OPTIONS, SCHEMES, SECRETS, parse_address


@pytest.mark.parametrize(
    ("text", "scheme", "target", "options"),
    [
        ("COM5", "serial", "COM5", {}),
        ("com5", "serial", "COM5", {}),
        ("COM5:", "serial", "COM5", {}),
        (r"\\.\COM12", "serial", r"\\.\COM12", {}),
        ("/dev/ttyUSB0", "serial", "/dev/ttyUSB0", {}),
        (" /dev/rfcomm0\n", "serial", "/dev/rfcomm0", {}),
        (
            "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0",
            "serial",
            "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0",
            {},
        ),
        (r"C:\weird", "serial", r"C:\weird", {}),
        ("ttyUSB0", "serial", "ttyUSB0", {}),
        ("./a:b", "serial", "./a:b", {}),
        ("serial:/dev/ttyUSB0", "serial", "/dev/ttyUSB0", {}),
        ("/dev/ttyUSB0?baud=9600&dtr=off", "serial", "/dev/ttyUSB0", {"baud": "9600", "dtr": "off"}),
        ("/dev/odd?name", "serial", "/dev/odd?name", {}),
        ("/dev/odd?name?baud=9600", "serial", "/dev/odd?name", {"baud": "9600"}),
        ("/dev/tty#1", "serial", "/dev/tty#1", {}),
        ("socket://host:8888", "socket", "host:8888", {}),
        ("SOCKET://[::1]:23", "socket", "[::1]:23", {}),
        ("rfc2217://10.0.0.7:4000?baud=19200", "rfc2217", "10.0.0.7:4000", {"baud": "19200"}),
        ("esphome://bridge.local/?port_name=BMS%20UART", "esphome", "bridge.local/", {"port_name": "BMS UART"}),
        ("esphome://bridge:6053/?port_name=a@b", "esphome", "bridge:6053/", {"port_name": "a@b"}),
        ("sim:", "sim", "", {}),
        ("sim:jbd", "sim", "jbd", {}),
        ("Sim:ant-legacy?cells=8", "sim", "ant-legacy", {"cells": "8"}),
        ("replay:garage.cap", "replay", "garage.cap", {}),
        (r"replay:C:\logs\a #1.cap", "replay", r"C:\logs\a #1.cap", {}),
        (r"replay:\\?\C:\a.cap", "replay", r"\\?\C:\a.cap", {}),
        ("replay:why?.cap", "replay", "why?.cap", {}),
        ("ble:ANT-BLE16ZMUB", "ble", "ANT-BLE16ZMUB", {}),
        ("ble:AA:BB:CC:DD:EE:FF", "ble", "AA:BB:CC:DD:EE:FF", {}),
        ("rfcomm:AA:BB:CC:DD:EE:FF?channel=1", "rfcomm", "AA:BB:CC:DD:EE:FF", {"channel": "1"}),
        ("COM5?mac=AA:BB:CC:DD:EE:FF", "serial", "COM5", {"mac": "AA:BB:CC:DD:EE:FF"}),
    ],
)
def test_means(text: str, scheme: str, target: str, options: dict[str, str]) -> None:
    address = parse_address(text)
    assert (address.scheme, address.target, address.options) == (scheme, target, options)
    assert address.text == text.strip()


def test_options_given_apart_win() -> None:
    address = parse_address("/dev/ttyUSB0?baud=9600&dtr=off", {"baud": "19200", "Password-Env": "PW"})
    assert address.options == {"baud": "19200", "dtr": "off", "password_env": "PW"}


def refused(text: str, options: dict[str, str] | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        parse_address(text, options)
    return caught.value.text()


@pytest.mark.parametrize(
    ("text", "options", "instead"),
    [
        ("socket://me:hunter2@host:1", {}, "password_env=NAME"),
        ("socket://me:hun?ter2@host:1", {}, "password_env=NAME"),
        ("socket://hunter2@host:1", {}, "password_env=NAME"),
        ("sokcet://me:hunter2@host:1", {}, "password_env=NAME"),
        ("COM5?password=hunter2", {}, "password_env=NAME"),
        ("COM5", {"password": "hunter2"}, "password_env=NAME"),
        ("COM5?nonsense=1&PassWord=hunter2", {}, "password_env=NAME"),
        ("esphome://host/?key=hunter2", {}, "key_env=NAME"),
        ("esphome://host/", {"noise-psk": "hunter2"}, "key_env=NAME"),
        ("esphome://host/?password=hunter2", {}, "password_env=NAME"),
        ("socket://me:hunter2?x=y@host:1", {}, "host:port"),  # taken for a port and an option: refused, not repeated
    ],
)
def test_a_password_is_refused_and_never_repeated(text: str, options: dict[str, str], instead: str) -> None:
    message = refused(text, options)
    assert "ter2" not in message
    assert instead in message or "option 'x'" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sokcet://host:1", "socket://host:port"),
        ("tcp://host:1", "socket://host:port"),
        ("telnet://host:1", "rfc2217://host:port"),
        ("bluetooth:ANT", "rfcomm:AA:BB:CC:DD:EE:FF"),
        ("aa:bb:cc:dd:ee:ff", "ble:AA:BB:CC:DD:EE:FF or rfcomm:AA:BB:CC:DD:EE:FF"),
        ("bridge.local:8888", "socket://bridge.local:8888"),
        ("192.168.1.5:8888", "socket://192.168.1.5:8888"),
        ("qqqqqq:1x", "replay:FILE"),
        ("socket:host:1", "socket://host:port"),
        ("socket://host", "socket://host:port"),
        ("socket://host:port", "socket://host:port"),
        ("socket://host:99999", "socket://host:port"),
        ("socket://:1", "socket://host:port"),
        ("rfc2217://[::1:4", "rfc2217://host:port"),
        ("esphome:///?port_name=a", "esphome://host/?port_name=NAME"),
        ("replay:", "replay:FILE"),
        ("", "COM5 or /dev/ttyUSB0"),
        ("COM5?buad=9600", "Did you mean baud?"),
        ("COM5?bluetooth=1", "Options here: baud, dtr, keyring, mac, password_env, rts"),
        ("socket://host:1?baud=9600", "has no option 'baud'"),
        ("esphome://host/?port=BMS", "Did you mean port_name?"),
    ],
)
def test_a_wrong_address_is_told_the_right_one(text: str, expected: str) -> None:
    assert expected in refused(text)


def test_no_scheme_has_an_option_that_would_hold_a_secret() -> None:
    allowed = set(COMMON_OPTIONS).union(*(scheme.options for scheme in SCHEMES.values()))
    assert not allowed & SECRETS.keys()
    assert set(SECRETS.values()) <= allowed


@given(st.text(st.sampled_from("aC0:/?#=&@.\\% ü"), max_size=20) | st.text())
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = parse_address(text)
    except UsageError:
        return
    assert address.scheme in SCHEMES
    assert parse_address(address.text) == address


@pytest.mark.parametrize("wrong", [None, 5, b"COM5"])
def test_what_is_no_text_is_no_address(wrong: object) -> None:
    with pytest.raises(UsageError, match=r"an address is a text such as COM5 or /dev/ttyUSB0, not "):
        parse_address(wrong)  # type: ignore[arg-type]


def test_options_may_be_numbers() -> None:
    assert parse_address("COM5", {"baud": 9600}).options == {"baud": "9600"}  # type: ignore[dict-item]
