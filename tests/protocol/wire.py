"""Frames made and checked the slow way, without the code under test: what the references print, byte by byte."""

from antbms.protocol import dialect, parse


def crc(body: bytes) -> bytes:
    """CRC-16/MODBUS, bit by bit, low byte first."""
    register = 0xFFFF
    for byte in body:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register.to_bytes(2, "little")


def ant_frame(function: int, register: int, data: bytes = b"", *segments: tuple[int, int, bytes]) -> bytes:
    body = bytes((0xA1, function)) + register.to_bytes(2, "little") + bytes((len(data),)) + data
    frame = b"\x7e" + body + crc(body)
    for kind, code, content in segments:
        segment = bytes((kind,)) + code.to_bytes(2, "little") + bytes((len(content),)) + content
        frame += segment + crc(segment)
    return frame + b"\xaa\x55"


def ant_request(function: int, register: int, wanted: int) -> bytes:
    body = bytes((0xA1, function)) + register.to_bytes(2, "little") + bytes((wanted,))
    return b"\x7e" + body + crc(body) + b"\xaa\x55"


def legacy_short(head: int, address: int, value: int) -> bytes:
    body = bytes((address,)) + value.to_bytes(2, "big")
    return bytes((head, head)) + body + bytes((sum(body) % 256,))


def legacy_status(data: bytes) -> bytes:
    return b"\xaa\x55\xaa\xff" + data + (sum(data) % 65536).to_bytes(2, "big")


def jbd_frame(first: int, second: int, data: bytes = b"") -> bytes:
    """A request of action and register, or an answer of register and status."""
    body = bytes((second, len(data))) + data
    return bytes((0xDD, first)) + body + ((0x10000 - sum(body)) % 65536).to_bytes(2, "big") + b"\x77"


def jbd_module(command: int, data: bytes = b"") -> bytes:
    body = bytes((command, len(data))) + data
    return b"\xff\xaa" + body + bytes((sum(body) % 256,))


def is_valid(protocol: str, raw: bytes) -> bool:
    """Whether every length, checksum and trailer of a frame is right."""
    if protocol == "ant":
        return raw[:2] == b"\x7e\xa1" and raw[-2:] == b"\xaa\x55" and _is_valid_ant(raw)
    if protocol == "ant-legacy" and raw[:2] == b"\xaa\x55":
        return len(raw) == 140 and raw == legacy_status(raw[4:138])
    if protocol == "ant-legacy":
        head, address = raw[0], raw[2]
        return head in (0xDB, 0x5A, 0xA5) and raw == legacy_short(head, address, int.from_bytes(raw[3:5], "big"))
    if raw[:2] == b"\xff\xaa":
        return raw == jbd_module(raw[2], raw[4:-1])
    refused = raw[1] not in (0xA5, 0x5A) and raw[2] != 0 and raw[3] == 0
    return raw == jbd_frame(raw[1], raw[2], raw[4:-3]) or (refused and raw == raw[:4] + b"\0\0\x77")


def _is_valid_ant(raw: bytes) -> bool:
    end = 8 + (raw[5] if raw[2] >= 0x10 else 0)
    good = crc(raw[1 : end - 2]) == raw[end - 2 : end]
    while good and end + 6 <= len(raw) - 2:
        start, end = end, end + 6 + raw[end + 3]
        good = crc(raw[start : end - 2]) == raw[end - 2 : end]
    return good and end == len(raw) - 2


def sealed(raw: bytes) -> bytes:
    """A frame whose data was tampered with, its checksum made good. No segments."""
    if raw[0] == 0x7E:
        return ant_frame(raw[2], raw[3] | raw[4] << 8, raw[6 : 6 + raw[5]])
    if raw[0] == 0xAA:
        return legacy_status(raw[4:138])
    return jbd_frame(raw[1], raw[2], raw[4 : 4 + raw[3]])


def changed(raw: bytes, **fields: int | tuple[int, ...]) -> bytes:
    """The same frame with other raw values, put where the explanation says that the fields are."""
    packet = parse(raw)
    spans = {field.name: field for field in dialect(packet.protocol).explain(packet, raw)}
    order = "little" if packet.protocol == "ant" else "big"
    new = bytearray(raw)
    for name, value in fields.items():
        items = {f"{name}.{n}": item for n, item in enumerate(value, 1)} if isinstance(value, tuple) else {name: value}
        for place, item in items.items():
            at, size = spans[place].offset, len(spans[place].raw)
            new[at : at + size] = item.to_bytes(size, order, signed=item < 0)
    return sealed(bytes(new))
