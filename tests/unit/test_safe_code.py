"""Product code runs no shell strings, trusts no unverified server, unpickles nothing and never runs data as code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.codescan import findings

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("bench", "build_stages", "deploy", "ecr_push.py", "function", "hwang", "local")
SOURCES = sorted(
    path for name in PRODUCT for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
)


def test_product_code_breaks_no_rule() -> None:
    assert len(SOURCES) > 150
    found = {str(path.relative_to(ROOT)): findings(path.read_text()) for path in SOURCES}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("import os\nos.system(command)", "2: os.system takes a shell string"),
        ("from os import popen as run\nrun(command)", "2: os.popen takes a shell string"),
        ("import subprocess as sp\nsp.getoutput(command)", "2: subprocess.getoutput takes a shell string"),
        (
            "import asyncio\nasyncio.create_subprocess_shell(x)",
            "2: asyncio.create_subprocess_shell takes a shell string",
        ),
        ("import subprocess\nsubprocess.run(command, shell=True)", "2: shell= is not False"),
        ("import subprocess\nsubprocess.run(command, shell=wanted)", "2: shell= is not False"),
        ("import subprocess\nsubprocess.run('ls /')", "2: subprocess.run is given a string, not a list"),
        ("from subprocess import Popen\nPopen(f'ls {x}')", "2: subprocess.Popen is given a string, not a list"),
        ("import subprocess\nsubprocess.call('ls ' + x)", "2: subprocess.call is given a string, not a list"),
        ("import subprocess\nsubprocess.run(' '.join(x))", "2: subprocess.run is given a string, not a list"),
        ("import subprocess\nsubprocess.run('{}'.format(x))", "2: subprocess.run is given a string, not a list"),
        ("import subprocess\nsubprocess.run(args='ls')", "2: subprocess.run is given a string, not a list"),
        ("import requests\nrequests.get(url, verify=False)", "2: verify=False trusts any server"),
        ("session.verify = False", "1: verify = False trusts any server"),
        ("context.check_hostname = False", "1: check_hostname = False trusts any server"),
        ("import ssl\ncontext.verify_mode = ssl.CERT_NONE", "2: ssl.CERT_NONE trusts any server"),
        ("from ssl import CERT_NONE\nx = CERT_NONE", "2: ssl.CERT_NONE trusts any server"),
        ("import ssl\nssl._create_unverified_context()", "2: ssl._create_unverified_context trusts any server"),
        ("import urllib3\nurllib3.PoolManager(cert_reqs='CERT_NONE')", "2: cert_reqs='CERT_NONE' trusts any server"),
        ("import urllib3\nurllib3.disable_warnings()", "2: urllib3.disable_warnings trusts any server"),
        ("import pickle", "1: imports pickle"),
        ("from marshal import loads", "1: imports marshal.loads"),
        ("import shelve as s", "1: imports shelve"),
        ("from multiprocessing import Queue", "1: imports multiprocessing.Queue"),
        ("import multiprocessing as mp", "1: imports multiprocessing"),
        ("from multiprocessing.connection import Connection\nconnection.recv()", "2: recv() unpickles what arrives"),
        ("from concurrent.futures import ProcessPoolExecutor", "1: imports concurrent.futures.ProcessPoolExecutor"),
        ("import yaml\nyaml.load(text)", "2: yaml.load makes objects of data"),
        ("import torch\ntorch.load(file)", "2: torch.load makes objects of data"),
        ("import numpy as np\nnp.load(file, allow_pickle=True)", "2: allow_pickle= is not False"),
        ("import numpy as np\nnp.load(file, allow_pickle=wanted)", "2: allow_pickle= is not False"),
        ("eval(text)", "1: eval() runs data"),
        ("exec(text)", "1: exec() runs data"),
        ("exec(compile(text, 'x', 'exec'))", "1: compile() runs data"),
    ],
)
def test_each_rule_finds_its_breach(source: str, finding: str) -> None:
    assert finding in findings(source)


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run(['ls', name], shell=False)",
        "import subprocess\nsubprocess.run([*command, f'--to={path}'])",
        "import numpy as np\nnp.load(file, allow_pickle=False)",
        "import re\nre.compile(text)",
        "import requests\nrequests.get(url, verify=bundle)",
        "import yaml\nyaml.safe_load(text)",
        "import json\njson.load(file)",
        "from concurrent.futures import ThreadPoolExecutor",
        "from multiprocessing.connection import Connection\nconnection.recv_bytes()",
        "import socket\nconnection.recv(4096)",
    ],
)
def test_what_is_safe_is_left_alone(source: str) -> None:
    assert findings(source) == []
