"""The examples of the reference."""

import pytest

from antbms.protocol.advertisement import ANT_SERVICE, JBD_SERVICE, advertised_address, likely_protocol


@pytest.mark.parametrize(
    ("name", "services", "expected"),
    [
        ("ANT@BLE24CBUB-3547\r", (ANT_SERVICE,), "ant"),
        ("ANT-BLE22AACB-0489", (ANT_SERVICE,), "ant"),
        ("ANT-BLE24BHUB", (ANT_SERVICE,), "ant"),
        ("ANT-BLE16ZMUB", (), "ant"),
        ("ant-ble16zmub", (), "ant"),
        ("ANT-BLE16S", (ANT_SERVICE,), "ant-legacy"),
        ("ANT-BLE20A\r", (ANT_SERVICE,), "ant-legacy"),
        ("ANT-BLE24C-001", (ANT_SERVICE,), "ant-legacy"),
        ("BMS-ANT24C", (), "ant-legacy"),
        ("JBD-SP04S034", (), "jbd"),
        ("J-12300-241118-069", (JBD_SERVICE,), "jbd"),
        (None, (JBD_SERVICE,), "jbd"),
        ("HC-08", (ANT_SERVICE,), None),
        ("Headphones", (), None),
        (None, (), None),
    ],
)
def test_what_to_expect(name: str | None, services: tuple[str, ...], expected: str | None) -> None:
    assert likely_protocol(name, services) == expected


def test_the_hidden_address() -> None:
    assert advertised_address({0x1852: bytes.fromhex("28 37 C2 A5")}) == "A5:C2:37:28:18:52"
    assert advertised_address({0x007B: bytes.fromhex("02 FF FF 7D")}) is None
    assert advertised_address({0x0657: bytes.fromhex("88 A0 01 02 03 04 05 06")}) is None
