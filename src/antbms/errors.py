"""All exceptions of antbms.

    AntbmsError
    ├── UsageError        the caller asked for something impossible (a wrong address, option, file format)
    ├── FileError         a file is missing, unreadable or full
    ├── FrameError        bytes that are not one whole, valid frame
    ├── LinkError         the battery cannot be reached
    │   ├── OpenError     the port or socket could not be opened: nothing was sent
    │   ├── LinkLost      it was open and went away
    │   └── NoAnswer      it is open, but no valid answer came
    ├── Refused           the battery answered: no
    │   ├── WrongPassword     … because of the password
    │   └── PasswordNeeded    … because none was given, or one that gives too few rights
    ├── Unconfirmed       a change was sent, and the battery does not show it
    └── SinkError         readings cannot be handed on now

Classes differ only where a caller acts differently: wait and reopen (`LinkError`), or tell a human (the rest).
"""

from __future__ import annotations

from typing import ClassVar

MEANT = "Next: if it is meant, say --dangerous (dangerous=True)."
"""The hint of what is refused unless the caller says that it is meant."""


def shown(text: str) -> str:
    """One line of names as a user or the system gave them, so that it can be printed and encoded anywhere.

    Bytes of another encoding are read as UTF-8, and what would steer a terminal becomes a question mark.
    """
    letters = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in letters)


class AntbmsError(Exception):
    """What went wrong, in one line, and the way out in the lines after it.

    `args[0]` is the line: it names where, what and how often. `hints` are further lines, most helpful first.
    `status` is the exit status of the command line (1 no answer or file, 2 usage, 3 refused).
    """

    status: ClassVar[int] = 1

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.hints = hints

    @property
    def reason(self) -> str:
        """The line without the name at its beginning, for where that stands already."""
        return str(self).partition(": ")[2] or str(self)

    def text(self) -> str:
        """The message and its hints as they are printed, without a trailing newline."""
        return "\n  ".join((str(self), *self.hints))


class UsageError(AntbmsError):
    """An address, option or value that cannot mean anything."""

    status = 2


class FileError(AntbmsError):
    """A file is missing, unreadable, or cannot be written."""


class FrameError(AntbmsError):
    """Bytes that are not one whole, valid frame; `args[0]` says why."""


class LinkError(AntbmsError):
    """The battery cannot be reached now; trying again later may help."""


class OpenError(LinkError):
    """A port, socket or device could not be opened."""


class LinkLost(LinkError):
    """The link was open and is gone."""


class NoAnswer(LinkError):
    """The link is open, but no valid answer came in time."""


class Refused(AntbmsError):
    """The battery understood the request and refused it."""

    status = 3


class WrongPassword(Refused):
    """The password was given, and is wrong. It is not tried again."""


class PasswordNeeded(Refused):
    """The battery wants a password, or one that gives more rights."""


class Unconfirmed(AntbmsError):
    """A change was sent once, and the battery's own state does not show it. It is not sent again."""

    status = 3


class SinkError(AntbmsError):
    """A sink cannot take readings now; it is tried again later."""
