"""A shared `tensorhub serve` on a loopback TCP port with a bearer token."""

import json
import os
import subprocess
import unittest

from support import ServerTestCase, needs_numpy, needs_server, numpy

import tensorhub
from tensorhub import server


@needs_server
class RemoteTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.token_file = os.path.join(self.folder, "token")
        process = subprocess.Popen(
            [server.executable("tensorhub"), "serve", "--listen", "127.0.0.1:0", "--token-file", self.token_file],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=dict(os.environ, TENSORHUB_PROJECT=self.project),
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.url = json.loads(process.stdout.readline())["url"]

    def test_it_is_used_with_the_token_of_its_file(self):
        with tensorhub.TensorHub(url=self.url, token_file=self.token_file) as db:
            self.assertEqual(db.project_name, self.project)
            db.save_dataset(b"x" * 3_000_000, "d")
            self.assertEqual(db.find_top_dataset("d"), b"x" * 3_000_000)
            self.assertEqual(os.stat(self.token_file).st_mode & 0o777, 0o600)
            with self.assertRaises(PermissionError):
                db.run_top_task("t")

    @needs_numpy
    def test_arrays_travel_over_it(self):
        with tensorhub.TensorHub(url=self.url, token_file=self.token_file) as db:
            db.save_dataset({"x": numpy.arange(6)}, "d", shards=3)
            self.assertEqual(db.find_top_dataset("d", shard=(1, 3))["x"].tolist(), [2, 3])
            self.assertEqual(db.find_top_dataset("d")["x"].tolist(), [0, 1, 2, 3, 4, 5])

    def test_without_the_token_it_refuses(self):
        for token in (None, "wrong"):
            with self.assertRaises(PermissionError):
                tensorhub.TensorHub(url=self.url, token=token).find_tasks()

    def test_an_address_that_is_none_is_told(self):
        for url in ("localhost:80", "ftp://x", "http://", "http://x:99999", "http://x:port", "http://["):
            with self.assertRaisesRegex(tensorhub.InvalidInput, "url: .* is no address"):
                tensorhub.TensorHub(url=url)

    def test_a_hub_that_does_not_answer_is_named(self):
        with self.assertRaisesRegex(tensorhub.Unreachable, "http://127.0.0.1:1 does not answer"):
            tensorhub.TensorHub(url="http://127.0.0.1:1")

    def test_a_certificate_that_is_none_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "cafile: .*/nowhere.pem"):
            tensorhub.TensorHub(url="https://127.0.0.1:1", cafile=self.folder + "/nowhere.pem")
        with self.assertRaisesRegex(tensorhub.InvalidInput, "cafile: .* holds no certificate"):
            tensorhub.TensorHub(url="https://127.0.0.1:1", cafile=__file__)


if __name__ == "__main__":
    unittest.main()
