"""A shared `tensorhub serve` on a loopback TCP port with a bearer token."""

import contextlib
import glob
import io
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import unittest
import urllib.parse

from support import ServerTestCase, needs_numpy, needs_server, numpy, start_program

import tensorhub
from tensorhub import connection


class RemoteTestCase(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.token_file = os.path.join(self.folder, "token")

    def listen(self, *options):
        """Starts a server for the test's project and returns its address."""
        options = ("--listen", "127.0.0.1:0", "--token-file", self.token_file, *options)
        process = start_program(self.project, "tensorhub", "serve", *options, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return json.loads(process.stdout.readline())["url"]


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

    def test_a_time_out_is_that_of_one_request(self):
        client = tensorhub.TensorHub(url=self.url, token_file=self.token_file)._client
        self.addCleanup(client.close)
        client.close()
        seen = []
        for timeout in (7.0, None, 8.0, None):
            taken, response = client.open("GET", "/v1/health", None, None, {}, timeout=timeout)
            seen.append((id(taken), taken.sock.gettimeout()))
            response.read()
            client.give_back(taken, response)
        self.assertEqual([limit for _, limit in seen], [7, connection.SILENCE, 8, connection.SILENCE])
        self.assertEqual(len({identity for identity, _ in seen}), 1)

    def test_an_address_that_is_none_is_told(self):
        for url in ("localhost:80", "ftp://x", "http://", "http://x:99999", "http://x:port", "http://["):
            with self.assertRaisesRegex(tensorhub.InvalidInput, "url: .* is no address"):
                tensorhub.TensorHub(url=url)

    def test_a_hub_that_does_not_answer_is_named(self):
        with self.assertRaisesRegex(tensorhub.Unreachable, "http://127.0.0.1:1 does not answer"):
            tensorhub.TensorHub(url="http://127.0.0.1:1")

    def test_a_certificate_that_is_none_is_named(self):
        for kind, path in ((FileNotFoundError, self.folder + "/nowhere.pem"), (IsADirectoryError, self.folder)):
            with self.assertRaisesRegex(kind, "cafile: .*" + path):
                tensorhub.TensorHub(url="https://127.0.0.1:1", cafile=path)
        empty = self.file("empty.pem")
        broken = self.file("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
        for path in (__file__, empty, broken):
            with self.assertRaisesRegex(tensorhub.InvalidInput, "cafile: %s holds no certificate" % path):
                tensorhub.TensorHub(url="https://127.0.0.1:1", cafile=path)

    def test_tls_below_1_2_is_off(self):
        made = connection.url_connector("https://127.0.0.1:1")[0]()
        self.assertGreaterEqual(made._context.minimum_version, ssl.TLSVersion.TLSv1_2)

    def test_a_busy_hub_is_asked_again(self):
        client = connection.Client(lambda: None)
        answers = [503, 503, 200]

        def request():
            status = answers.pop(0)
            if status != 200:
                raise tensorhub.errors.error_of(status, {"error": {"code": "busy", "message": "later"}})
            return "done"

        self.assertEqual(client.persist(request), "done")
        answers = [503]
        with self.assertRaises(tensorhub.Unreachable):
            client.persist(request, repeatable=False)


class CuttingProxy:
    """Stands before a server. It cuts answers off, and tells what was asked and what it let through."""

    def __init__(self, url, cuts, change=None):
        """
        :param cuts: Of the answers to requests for a file, in order: after how many bytes of the body; ``None`` not.
        :param change: Called with what is asked before the server gets it, to do harm in between.
        """
        target = urllib.parse.urlsplit(url)
        self._target = (target.hostname, target.port)
        self._cuts = list(cuts)
        self._change = change or (lambda count: None)
        #: The ``Range`` of each request for a file.
        self.ranges = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        """Requests without a body, one after the other."""
        with client, client.makefile("rb") as asked:
            while True:
                head = self._head(asked)
                if not head:
                    return
                is_file = b"accept: application/octet-stream" in head.lower()
                cut = None
                if is_file:
                    self.ranges.append(self._field(head, b"range"))
                    cut = self._cuts.pop(0) if self._cuts else None
                    self._change(len(self.ranges))
                with socket.create_connection(self._target) as upstream, upstream.makefile("rb") as answered:
                    upstream.sendall(head)
                    answer = self._head(answered)
                    length = int(self._field(answer, b"content-length"))
                    client.sendall(answer)
                    client.sendall(answered.read(length if cut is None else min(cut, length)))
                if cut is not None:
                    return

    @staticmethod
    def _field(head, wanted):
        fields = [line.partition(b":") for line in head.splitlines()[1:]]
        found = [value.strip().decode() for name, _, value in fields if name.lower() == wanted]
        return found[0] if found else None

    @staticmethod
    def _head(stream):
        lines = []
        while True:
            line = stream.readline()
            lines.append(line)
            if line in (b"", b"\r\n"):
                return b"".join(lines) if line else b""


@needs_server
class ResumedDownloadTests(RemoteTestCase):
    """A connection that breaks in the middle of a file."""

    def setUp(self):
        super().setUp()
        self.url = self.listen()
        self.data = os.urandom(3_000_000)
        with tensorhub.TensorHub(url=self.url, token_file=self.token_file) as db:
            db.save_dataset(self.data, "d")

    def through(self, cuts, change=None):
        proxy = CuttingProxy(self.url, cuts, change)
        self.addCleanup(proxy.close)
        db = tensorhub.TensorHub(url=proxy.url, token_file=self.token_file)
        self.addCleanup(db.close)
        return db, proxy

    def test_it_goes_on_where_it_broke(self):
        db, proxy = self.through([1_000_000, 0, 1_500_000, None])
        self.assertEqual(db.find_top_dataset("d"), self.data)
        self.assertEqual(proxy.ranges, [None, "bytes=1000000-", "bytes=1000000-", "bytes=2500000-"])

    def test_one_that_breaks_for_good_is_told(self):
        db, proxy = self.through([1_000_000] + [0] * 100)
        with self.assertRaisesRegex(tensorhub.Unreachable, proxy.url):
            db.find_top_dataset("d")
        self.assertEqual(set(proxy.ranges), {None, "bytes=1000000-"})

    def test_a_data_set_that_is_deleted_meanwhile_is_told(self):
        def delete(count):
            if count == 2:
                with tensorhub.TensorHub(url=self.url, token_file=self.token_file) as db:
                    self.assertEqual(db.delete_datasets("d"), 1)

        db, _ = self.through([1_000_000], delete)
        with self.assertRaises(tensorhub.NotFound):
            db.find_top_dataset("d")

    def test_what_is_not_what_was_saved_is_refused(self):
        def spoil(count):
            # What has arrived so far is of another file.
            if count in (2, 4):
                (partial,) = glob.glob(os.path.join(db._downloads._folder.name, "*", "*.part"))
                with open(partial, "r+b") as file:
                    file.write(bytes([255 - self.data[0]]))

        db, proxy = self.through([1_000_000, None, 1_000_000, None], spoil)
        with self.assertRaisesRegex(tensorhub.HubError, "not what was saved") as raised:
            db.find_top_dataset("d")
        self.assertEqual(raised.exception.code, "hash-mismatch")
        self.assertEqual(proxy.ranges, [None, "bytes=1000000-"] * 2)
        self.assertEqual(db.find_top_dataset("d"), self.data)


@needs_server
@unittest.skipUnless(shutil.which("openssl"), "there is no program openssl to make a certificate with")
class TLSTests(RemoteTestCase):
    """A server whose certificate is one's own."""

    def certificate(self, name):
        key, certificate = (os.path.join(self.folder, name + ending) for ending in (".key", ".pem"))
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        subprocess.run(command + ["-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
        return key, certificate

    def setUp(self):
        super().setUp()
        key, self.cafile = self.certificate("own")
        self.url = self.listen("--tls-certificate", self.cafile, "--tls-key", key)
        self.set_environment(TENSORHUB_CA_FILE=None)

    def test_it_is_used_with_that_certificate_and_the_token(self):
        self.assertTrue(self.url.startswith("https://"))
        data = os.urandom(3_000_000)
        with tensorhub.TensorHub(url=self.url, token_file=self.token_file, cafile=self.cafile) as db:
            self.assertEqual(db.project_name, self.project)
            db.save_dataset(data, "d")
            db.save_training_log(loss=1)
            self.assertEqual([entry["loss"] for entry in db.find_training_log()], [1])
        self.set_environment(TENSORHUB_CA_FILE=self.cafile, TENSORHUB_TOKEN_FILE=self.token_file, TENSORHUB_URL=self.url)
        with tensorhub.TensorHub() as db:
            self.assertEqual(db.find_top_dataset("d"), data)

    def test_the_token_is_needed_all_the_same(self):
        with self.assertRaises(tensorhub.Refused):
            tensorhub.TensorHub(url=self.url, token="wrong", cafile=self.cafile)

    def test_without_that_certificate_or_with_another_the_remedy_is_named(self):
        for cafile in (None, self.certificate("other")[1]):
            with self.assertRaisesRegex(tensorhub.Unreachable, "certificate.*cafile=.*TENSORHUB_CA_FILE") as raised:
                tensorhub.TensorHub(url=self.url, token_file=self.token_file, cafile=cafile)
            self.assertIn(self.url, str(raised.exception))
