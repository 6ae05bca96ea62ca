"""A shared `tensorhub serve` on a loopback TCP port with a bearer token."""

import contextlib
import io
import json
import os
import subprocess
import unittest

from support import ServerTestCase, needs_numpy, needs_server, numpy

import tensorhub
from tensorhub import server


class RemoteTestCase(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.token_file = os.path.join(self.folder, "token")

    def listen(self, *options):
        """Starts a server for the test's project and returns its address."""
        process = subprocess.Popen(
            [server.executable("tensorhub"), "serve", "--listen", "127.0.0.1:0", "--token-file", self.token_file, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=dict(os.environ, TENSORHUB_PROJECT=self.project),
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return json.loads(process.stdout.readline())["url"]

    def set_environment(self, **variables):
        """Sets variables, or takes away those that are None, until the test is over."""
        for name, value in variables.items():
            before = os.environ.get(name)
            if before is None:
                self.addCleanup(os.environ.pop, name, None)
            else:
                self.addCleanup(os.environ.__setitem__, name, before)
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@needs_server
class RemoteTests(RemoteTestCase):
    def setUp(self):
        super().setUp()
        self.url = self.listen()

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

    def hub_and_words(self, **arguments):
        """A hub and what opening it said on standard error."""
        words = io.StringIO()
        with contextlib.redirect_stderr(words):
            db = tensorhub.TensorHub(token_file=self.token_file, **arguments)
        self.addCleanup(db.close)
        return db, words.getvalue()

    def test_another_project_than_that_of_the_hub_given_is_refused(self):
        self.set_environment(TENSORHUB_PROJECT=None)
        with self.assertRaisesRegex(tensorhub.InvalidInput, "serves project '%s' alone, not 'a'" % self.project) as raised:
            tensorhub.TensorHub(url=self.url, token_file=self.token_file, project_name="a")
        self.assertEqual(raised.exception.field, "project_name")
        for name in (None, self.project):
            db, words = self.hub_and_words(url=self.url, project_name=name)
            self.assertEqual((db.project_name, words), (self.project, ""))

    def test_another_project_than_that_of_the_environments_hub_is_told(self):
        self.set_environment(TENSORHUB_PROJECT=None, TENSORHUB_URL=self.url)
        db, words = self.hub_and_words(project_name="a")
        self.assertEqual(db.project_name, self.project)
        self.assertEqual(words, "tensorhub: the project is %s (TENSORHUB_URL), not a\n" % self.project)
        self.set_environment(TENSORHUB_PROJECT="b")
        for arguments in ({}, {"url": self.url}):
            db, words = self.hub_and_words(**arguments)
            self.assertEqual(db.project_name, self.project)
            self.assertRegex(words, r"^tensorhub: the project is %s \(.+\), not b\n$" % self.project)
        db, words = self.hub_and_words(url=self.url, project_name=self.project)
        self.assertEqual((db.project_name, words), (self.project, ""))

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
