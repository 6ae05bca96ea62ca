"""What the tests share: a real `tensorhub serve` on the MongoDB of TENSORHUB_URI, and waiting for a condition."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import uuid

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "tensorhub"
sys.path.insert(0, str(PACKAGE.parent))

try:
    import numpy
except ImportError:
    numpy = None

needs_numpy = unittest.skipIf(numpy is None, "this Python has no NumPy")
needs_server = unittest.skipUnless(os.environ.get("TENSORHUB_URI"), "TENSORHUB_URI names no MongoDB")


def eventually(condition, seconds=20):
    """Waits until the condition holds; its last value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.005)


def safetensors_file(tensors):
    """The bytes of a file of that form (github.com/huggingface/safetensors#format), by hand.

    :param tensors: From a name to the format's word for a type, the shape and the bytes.
    """
    header, data = {}, b""
    for name, (dtype, shape, piece) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


class Serve:
    """A `tensorhub serve` on a socket, that can be stopped and started again."""

    def __init__(self, socket, project):
        self.socket = socket
        self.project = project
        self.process = None
        self.start()

    def start(self):
        from tensorhub import server

        environment = dict(os.environ, TENSORHUB_PROJECT=self.project)
        self.process = subprocess.Popen(
            [server.executable("tensorhub"), "serve", "--socket", self.socket, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        json.loads(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class ServerTestCase(unittest.TestCase):
    """A project of its own for each test, and scripts that think they run as a task of it."""

    def setUp(self):
        self.project = "test-" + uuid.uuid4().hex[:12]
        self.folder = tempfile.mkdtemp(prefix="tensorhub-test-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def keep_state_in_folder(self):
        """Has a runner that the test starts keep its attempts in the test's folder."""
        for name, value in (("TENSORHUB_STATE_DIRECTORY", self.folder + "/state"), ("TENSORHUB_LOG_LEVEL", "error")):
            before = os.environ.get(name)
            os.environ[name] = value
            restore = os.environ.__setitem__ if before is not None else os.environ.pop
            self.addCleanup(restore, name, before)

    def serve(self):
        server = Serve(os.path.join(self.folder, "s"), self.project)
        self.addCleanup(server.kill)
        return server

    def script(self, text, stdin=subprocess.DEVNULL, **environment):
        """Starts a script with the environment of a task."""
        variables = dict(os.environ, PYTHONPATH=str(PACKAGE.parent), TENSORHUB_SOCKET=os.path.join(self.folder, "s"))
        variables.pop("TENSORHUB_URI", None)
        variables.update(environment)
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(text)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            env=variables,
        )

    def run_script(self, text, **environment):
        """Runs a script to its end and returns what it printed; standard error besides."""
        process = self.script(text, **environment)
        output, errors = process.communicate(timeout=50)
        self.assertEqual(process.returncode, 0, output + errors)
        return output, errors

    def hub(self):
        """A hub for the test's project, through a private server."""
        import tensorhub

        hub = tensorhub.TensorHub(uri=os.environ["TENSORHUB_URI"], project_name=self.project)
        self.addCleanup(hub.close)
        return hub
