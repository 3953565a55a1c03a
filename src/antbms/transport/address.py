"""Device addresses: what a user types, taken apart. Pure text, nothing is opened.

    COM5   /dev/ttyUSB0   \\\\.\\COM12          no scheme: a serial port
    socket://host:port   sim:jbd   replay:a.cap   the scheme ends at the first `:`

A scheme has at least two letters, so `C:\\logs` is a name. A `#` is an ordinary character.

Options stand at the end, `?key=value&key=value`. They begin at the first `?` after which *everything* reads like
that; any other `?` belongs to the name (of a file, of a Bluetooth device). Values may be percent-encoded. The same
options can be given apart (`-o key=value`), which needs no quoting in a shell and wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from ..errors import UsageError


class Address(Struct, frozen=True):
    """Where a battery is. `text` is as typed, and safe to print: an address never holds a password."""

    scheme: str
    target: str
    options: dict[str, str]
    text: str


class Scheme(Struct, frozen=True):
    """How addresses of one scheme look, and which options they know."""

    form: str
    options: frozenset[str] = frozenset()
    host: str = ""
    """Whether a network host follows `//`: "" no, "host" with or without a port, "port" with a port."""


SCHEMES: Final[dict[str, Scheme]] = {
    "serial": Scheme("COM5 or /dev/ttyUSB0", frozenset({"baud", "dtr", "rts"})),
    "socket": Scheme("socket://host:port", host="port"),
    "rfc2217": Scheme("rfc2217://host:port", frozenset({"baud"}), host="port"),
    "esphome": Scheme(
        "esphome://host/?port_name=NAME",
        frozenset({"baud", "port_name", "port_instance", "port_serial_number", "mode", "key_env"}),
        host="host",
    ),
    "rfcomm": Scheme("rfcomm:AA:BB:CC:DD:EE:FF", frozenset({"channel"})),
    "ble": Scheme("ble:AA:BB:CC:DD:EE:FF or ble:NAME", frozenset({"adapter"})),
    "sim": Scheme(
        "sim: or sim:jbd",
        frozenset({"cells", "capacity", "soc", "seed", "speed", "load", "scenario", "faults", "model"}),
    ),
    "replay": Scheme("replay:FILE"),
}
"""The one table of what may be typed."""

COMMON_OPTIONS: Final = frozenset({"mac", "password_env", "keyring"})
"""Allowed everywhere: the battery's Bluetooth address; the environment variable that holds its password, or the name of
it in the system's keyring."""

SECRETS: Final[dict[str, str]] = {
    "password": "password_env",
    "passwd": "password_env",
    "pw": "password_env",
    "pin": "password_env",
    "key": "key_env",
    "noise_psk": "key_env",
}
"""Options that would hold a secret → the option that names where the secret is."""

_OTHER_NAMES: Final = {
    "tcp": "socket",
    "telnet": "rfc2217",
    "bt": "rfcomm",
    "bluetooth": "rfcomm",
    "spp": "rfcomm",
    "file": "replay",
    "simulator": "sim",
}

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):(.*)", re.DOTALL)
_COM: Final = re.compile(r"(COM\d+):?", re.IGNORECASE)
_PAIR: Final = r"[A-Za-z_][\w\-]*=[^&]*"
_OPTIONS: Final = re.compile(rf"(.*?)\?({_PAIR}(?:&{_PAIR})*)", re.DOTALL)
_BLUETOOTH: Final = re.compile(r"[0-9A-F]{2}([:-][0-9A-F]{2}){5}", re.IGNORECASE)
_HOST_PORT: Final = re.compile(r"[\w.\-]+:\d{1,5}")


def parse_address(text: str, options: Mapping[str, str] | None = None) -> Address:
    """The address that `text` means; `options` are those given apart from it, and win.

    Raises `UsageError` for an unknown scheme or option, for an address that is not of its scheme's form,
    and for one that holds a password, which the message does not repeat.
    """
    if not isinstance(text, str):
        raise UsageError(f"an address is a text such as {SCHEMES['serial'].form}, not {text!r}")
    text = text.strip()
    rest, written = _split_options(text)
    scheme, target = _split_scheme(rest)
    given = {_key(key): str(value) for key, value in {**written, **(options or {})}.items()}
    _refuse_secrets(scheme, target, given)
    known = SCHEMES.get(scheme)
    if known is None:
        raise _unknown_scheme(scheme, target)
    _check_options(scheme, given)
    return Address(scheme, _check_target(known, scheme, target), given, text)


def _split_options(text: str) -> tuple[str, dict[str, str]]:
    match = _OPTIONS.fullmatch(text)
    if match is None:
        return text, {}
    pairs = (pair.partition("=") for pair in match[2].split("&"))
    return match[1], {key: unquote(value) for key, _, value in pairs}


def _split_scheme(text: str) -> tuple[str, str]:
    if port := _COM.fullmatch(text):  # "COM5:" is how DOS wrote it, and some still do
        return "serial", port[1].upper()
    if match := _SCHEME.fullmatch(text):
        return match[1].lower(), match[2]
    return "serial", text


def _key(key: str) -> str:
    return key.strip().lower().replace("-", "_")


def _refuse_secrets(scheme: str, target: str, options: Mapping[str, str]) -> None:
    """Before any other check, so that no other message can repeat a secret."""
    instead = next((SECRETS[key] for key in options if key in SECRETS), None)
    if target.startswith("//") and "@" in target:
        instead = "password_env"
    if instead is None:
        return
    if scheme != "esphome":
        instead = "password_env"
    raise UsageError(
        f"{scheme}: an address must not hold a password: it would stay in logs and in the shell's history",
        f"Put it into an environment variable, and name that: -o {instead}=NAME",
    )


def _unknown_scheme(scheme: str, target: str) -> UsageError:
    typed = f"{scheme}:{target}"
    if _BLUETOOTH.fullmatch(typed):
        hint = f"A Bluetooth address needs the kind of Bluetooth: ble:{typed.upper()} or rfcomm:{typed.upper()}"
    elif _HOST_PORT.fullmatch(typed):
        hint = f"For a serial port behind a network: socket://{typed} or rfc2217://{typed}"
    elif near := _OTHER_NAMES.get(scheme) or _nearest(scheme, SCHEMES):
        hint = f"Did you mean {SCHEMES[near].form}?"
    else:
        hint = "A file or port whose name holds a colon: write ./name or the whole path."
    return UsageError(
        f"{scheme}: is no kind of address", hint, "Known: " + ", ".join(known.form for known in SCHEMES.values())
    )


def _check_options(scheme: str, options: Mapping[str, str]) -> None:
    allowed = SCHEMES[scheme].options | COMMON_OPTIONS
    for key in options:
        if key not in allowed:
            near = _nearest(key, allowed)
            raise UsageError(
                f"{scheme}: has no option {key!r}",
                *([f"Did you mean {near}?"] if near else []),
                "Options here: " + ", ".join(sorted(allowed)),
            )
    if "mac" in options and not _BLUETOOTH.fullmatch(options["mac"]):
        raise UsageError(f"mac={options['mac']}: is no Bluetooth address", "Write mac=AA:BB:CC:DD:EE:FF")


def _check_target(known: Scheme, scheme: str, target: str) -> str:
    if known.host:
        return _check_host(known, scheme, target)
    if not target and scheme != "sim":
        raise UsageError(f"{scheme}: the address is empty", f"Write {known.form}")
    if scheme == "serial" and _HOST_PORT.fullmatch(target):  # an IPv4 address starts with a digit: it is no scheme
        raise UsageError(f"{target}: is no serial port", f"For a network: socket://{target} or rfc2217://{target}")
    return target


def _check_host(known: Scheme, scheme: str, target: str) -> str:
    """`host:port`, with what may follow it; nothing of a wrong one is repeated: it may be a misspelt password."""
    try:
        parts = urlsplit(target) if target.startswith("//") and "?" not in target else None
        complete = parts is not None and parts.hostname and (parts.port or known.host == "host")
    except ValueError:  # a port that is no number, or too high; half an IPv6 address
        complete = False
    if not complete:
        raise UsageError(f"{scheme}: the address is not complete, or not of its form", f"Write {known.form}")
    return target[2:]


def _nearest(word: str, words: Iterable[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, sorted(words), 1)), None)
