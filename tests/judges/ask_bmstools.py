"""Run inside the judges' environment: bmstools reads a simulated battery on a port.

Arguments: the port, and the names of methods of its `JBD`. Prints a JSON object: method → what it returned.
"""

import json
import sys

import serial
from bmstools.jbd import JBD

port, *methods = sys.argv[1:]
battery = JBD(serial.Serial(port, 9600, timeout=1))
said = {method: getattr(battery, method)() for method in methods}
json.dump(said, sys.stdout, default=lambda item: item.display)  # its enumerations bear what they mean
