"""What Bluetooth LE and classic Bluetooth have in common when they fail: the adapter, the system, the permission."""

from __future__ import annotations

from typing import Final

DENIED: Final = r"AccessDenied|Rejected send|REJECTED|Permission denied"
"""What the system says when it does not let us, a pattern."""

SHARED_HINTS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("off", "win32"): ("Settings > Bluetooth & devices: switch Bluetooth on",),
    ("off", "darwin"): ("System Settings > Bluetooth: switch it on",),
    ("no adapter", ""): ("Is the adapter plugged in? A virtual machine or container must be given it.",),
    ("permission", "linux"): (
        "sudo usermod -aG bluetooth $USER   then log out and in again",
        "A snap, flatpak or container must be allowed to talk to org.bluez on the system bus.",
    ),
    ("permission", "darwin"): ("System Settings > Privacy & Security > Bluetooth: allow antbms, or your terminal",),
    ("permission", "win32"): ("Settings > Privacy & security > Radios: let apps control them",),
    ("daemon", ""): ("It usually starts again by itself: try again in a moment.",),
    ("daemon", "linux"): ("sudo systemctl enable --now bluetooth   (on Debian first: apt install bluez)",),
    ("no bus", ""): (
        "sudo apt install dbus bluez",
        "A container needs the host's bus: -v /run/dbus:/run/dbus",
    ),
    ("open", ""): ("One Battery serves several tasks: share it instead of opening it twice.",),
}
