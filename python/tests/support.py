"""What the tests share: a folder, a real `tensorhub serve` on the MongoDB of TENSORHUB_URI, comparing and waiting."""

import functools
import importlib.util
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
has_safetensors = numpy is not None and importlib.util.find_spec("safetensors") is not None
needs_safetensors = unittest.skipUnless(has_safetensors, "this Python has no safetensors")
has_pandas = importlib.util.find_spec("pandas") is not None
needs_pandas = unittest.skipUnless(has_pandas, "this Python has no pandas")
has_pyarrow = has_pandas and importlib.util.find_spec("pyarrow") is not None
needs_pyarrow = unittest.skipUnless(has_pyarrow, "this Python has no pyarrow beside pandas")
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


def start_program(project, name, *arguments, **options):
    """Starts a program of TensorHub for a project; the options are those of ``Popen``."""
    from tensorhub import server

    command, environment = [server.executable(name), *arguments], dict(os.environ, TENSORHUB_PROJECT=project)
    return subprocess.Popen(command, env=environment, **{"stdin": subprocess.DEVNULL, **options})


class FolderTestCase(unittest.TestCase):
    """A folder of its own for each test, and a comparison that is stricter than Python's."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tensorhub-test-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def file(self, name, content=""):
        """Writes a text, whose lines may all be indented, or bytes into the folder; the path."""
        path = pathlib.Path(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return str(path)

    def assert_same(self, a, b, words=None):
        """Equal, of the same type, and of the same parts."""
        self.assertIs(type(a), type(b), words)
        if isinstance(a, dict):
            keys, others = ([key.encode("utf-8", "surrogatepass") for key in each] for each in (a, b))
            self.assertEqual(keys, others, words)
            for key in a:
                self.assert_same(a[key], b[key], words)
        elif isinstance(a, (list, tuple)):
            self.assertEqual(len(a), len(b), words)
            for left, right in zip(a, b):
                self.assert_same(left, right, words)
        elif numpy is not None and isinstance(a, numpy.ndarray):
            self.assertEqual((a.dtype, a.shape, a.dtype.byteorder), (b.dtype, b.shape, b.dtype.byteorder), words)
            # Between fields there may be anything.
            raw = a.dtype.names is None
            contents = (each.tobytes() if raw else str(each.tolist()) for each in (a, b))
            self.assertEqual(*contents, words)
        elif a != a:
            self.assertNotEqual(b, b, words)
        else:
            self.assertEqual(a, b, words)
            self.assertEqual(repr(a), repr(b), words)


class Serve:
    """A `tensorhub serve` on a socket, that can be stopped and started again."""

    def __init__(self, socket, project):
        self.socket = socket
        self.project = project
        self.process = None
        self.start()

    def start(self):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = start_program(
            self.project, "tensorhub", "serve", "--socket", self.socket, "--until-stdin-closes", **options
        )
        json.loads(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class ServerTestCase(FolderTestCase):
    """A project of its own for each test, and scripts that think they run as a task of it."""

    def setUp(self):
        super().setUp()
        self.project = "test-" + uuid.uuid4().hex[:12]

    def set_environment(self, **variables):
        """Sets variables, or takes away those that are None, until the test is over."""
        for name, value in variables.items():
            before = os.environ.pop(name, None)
            restore = os.environ.__setitem__ if before is not None else os.environ.pop
            self.addCleanup(restore, name, before)
            if value is not None:
                os.environ[name] = value

    def keep_state_in_folder(self):
        """Has a runner that the test starts keep its attempts in the test's folder."""
        self.set_environment(TENSORHUB_STATE_DIRECTORY=self.folder + "/state", TENSORHUB_LOG_LEVEL="error")

    def serve(self):
        server = Serve(os.path.join(self.folder, "s"), self.project)
        self.addCleanup(server.kill)
        return server

    def run_program(self, *arguments):
        """Runs the command for the test's project to its end and returns what it printed."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = start_program(self.project, "tensorhub", *arguments, **options)
        output, errors = process.communicate()
        self.assertEqual(process.returncode, 0, errors)
        return output

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

    @functools.cached_property
    def db(self):
        """The test's hub."""
        return self.hub()

    def hub(self):
        """A hub for the test's project, through a private server."""
        import tensorhub

        hub = tensorhub.TensorHub(uri=os.environ["TENSORHUB_URI"], project_name=self.project)
        self.addCleanup(hub.close)
        return hub
