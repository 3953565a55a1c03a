"""serialx's RFC 2217 client, without its wait for acknowledgements that ser2net does not send."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serialx import BaseSerialTransport


def transport_class() -> type[BaseSerialTransport]:
    """A `transport_cls` for serialx that does not subscribe to modem and line states.

    While opening, serialx 1.15 sends SET-MODEMSTATE-MASK and SET-LINESTATE-MASK and waits for the acknowledgement of
    each; ser2net 4.3 (gensio 2.6) answers the first with NOTIFY-MODEMSTATE and the second with nothing, so opening
    fails after 5 s. Nothing here reads those states: the two commands are not sent. The rest (speed, data bits, parity,
    stop bits, flow control) ser2net does acknowledge, and it is waited for. Should serialx rename its method, this
    class changes nothing.
    """
    from serialx.platforms.serial_rfc2217 import RFC2217SerialTransport
    from serialx.platforms.serial_rfc2217.types import Rfc2217Command, SetLinestateMaskCmd, SetModemstateMaskCmd

    class Transport(RFC2217SerialTransport):
        async def _send_and_wait(self, cmd: Rfc2217Command) -> Rfc2217Command:
            if isinstance(cmd, SetModemstateMaskCmd | SetLinestateMaskCmd):
                return cmd
            return await super()._send_and_wait(cmd)

    return Transport
