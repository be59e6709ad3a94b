"""Starts decode.py in a process of its own, as the tutorial of 2018 did."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = os.path.join(HERE, "lib")  # where the tutorial's zip had FFmpeg; the image needs no such folder


def lambda_handler(event=None, context=None):
    command = f"LD_LIBRARY_PATH={LIBRARIES} python3 decode.py"
    try:
        print(subprocess.check_output(command, shell=True))
    except subprocess.CalledProcessError as error:
        print(error.output)
    return "main.py returned."
