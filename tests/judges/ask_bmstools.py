"""Run inside the judges' environment: bmstools reads a simulated battery on a port.

Arguments: the port, and methods of its `JBD`, with whole numbers behind them where they take some. Prints a JSON
object: argument → what the method returned.
"""

import json
import sys

import serial
from bmstools.jbd import JBD

port, *methods = sys.argv[1:]
PATIENCE = 20
"""s, where its own default is 1: a busy machine is no wrong answer."""

battery = JBD(serial.Serial(port, 9600), PATIENCE)
said = {}
for call in methods:
    method, *numbers = call.split()
    said[call] = getattr(battery, method)(*map(int, numbers))
json.dump(said, sys.stdout, default=lambda item: item.display)  # its enumerations bear what they mean
