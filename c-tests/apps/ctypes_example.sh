#!/bin/bash
# The example of a Python program that asks the library through ctypes.
# needs: python3
# timeout: 60
python3 "$(dirname "$0")/../../examples/ctypes_user.py"
