"""The package as a whole: versions of Python, the cost of its import, its names."""

import ast
import inspect
import subprocess
import sys
import unittest

from support import PACKAGE

import tensorhub
from tensorhub import InvalidInput, server


class PackageTests(unittest.TestCase):
    def test_every_module_is_python_3_8(self):
        for path in sorted(PACKAGE.glob("*.py")):
            ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 8))

    def test_annotations_that_are_evaluated_are_python_3_8(self):
        # The rest are texts, because of the import from __future__.
        for path in sorted(PACKAGE.glob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "typing" in text and path.name != "__init__.py":
                self.assertIn("from __future__ import annotations", text, path.name)

    def test_importing_it_imports_nothing_else(self):
        code = "import sys; before = set(sys.modules); import tensorhub; print(sorted(set(sys.modules) - before))"
        command = [sys.executable, "-S", "-c", code]
        output = subprocess.run(command, stdout=subprocess.PIPE, cwd=str(PACKAGE.parent), check=True).stdout
        self.assertEqual(output.decode().strip(), "['tensorhub']")

    def test_it_has_the_names_of_both_generations_of_tensorlayer(self):
        names = """
            save_dataset find_dataset find_top_dataset find_all_datasets find_datasets delete_datasets
            save_model find_model find_top_model delete_model
            save_training_log save_validation_log save_testing_log
            find_training_log find_validation_log find_testing_log
            delete_training_log delete_validation_log delete_testing_log
            create_task run_task run_top_task check_unfinished_task delete_tasks
        """
        for name in names.split():
            self.assertTrue(callable(getattr(tensorhub.TensorHub, name)), name)
        self.assertIs(tensorhub.db.TensorHub, tensorhub.TensorHub)

    def test_the_arguments_are_those_of_tensorlayer(self):
        parameters = inspect.signature(tensorhub.TensorHub).parameters.values()
        positional = [p.replace(annotation=p.empty) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        wanted = "ip='localhost', port=27017, dbname='dbname', username='None', password='password', project_name=None"
        self.assertEqual(", ".join(map(str, positional)), wanted)

    def test_everything_public_is_documented_and_annotated(self):
        for name in tensorhub.__all__:
            value = getattr(tensorhub, name)
            if not (inspect.isfunction(value) or inspect.isclass(value)):
                continue
            self.assertTrue(inspect.getdoc(value), name)
            for member, function in inspect.getmembers(value) if inspect.isclass(value) else ():
                if inspect.isfunction(function) and not member.startswith("_"):
                    self.assertTrue(inspect.getdoc(function), "%s.%s" % (name, member))
                    self.assertIn("return", function.__annotations__, "%s.%s" % (name, member))
        self.assertTrue((PACKAGE / "py.typed").exists())

    def test_a_port_or_host_that_cannot_be_is_named(self):
        for port in ("x", 0, 65536, None):
            with self.assertRaisesRegex(InvalidInput, "port: .* is no number"):
                server.uri_of("localhost", port, "temp", None, None)
        for text in ("ann:pw@h", "mongodb://ann:pw@h"):
            with self.assertRaises(InvalidInput) as caught:
                server.uri_of(text, 1, "db", None, None)
            self.assertNotIn("pw", str(caught.exception))
        with self.assertRaisesRegex(InvalidInput, "ip: 'a/b' is no host"):
            server.uri_of("a/b", 27017, "temp", None, None)
        with self.assertRaisesRegex(InvalidInput, "project_name: it holds a NUL"):
            server.serve("mongodb://localhost", "a\0b")
        self.assertEqual(server.address_of("mongodb://u:p%40@a:1,b:2/x?appName=c"), "a:1,b:2")
        self.assertEqual(server.address_of("mongodb://u:12?a=b@h:1/x"), "h:1")
        self.assertEqual(server.address_of("mongodb://h:1?w=1"), "h:1")
        self.assertEqual(server.uri_of("::1", 27017, "temp", "u", "p@"), "mongodb://u:p%40@[::1]:27017/temp")

    def test_its_modules_import_without_a_warning(self):
        names = ["tensorhub." + path.stem for path in PACKAGE.glob("*.py") if path.stem not in ("__init__", "run")]
        code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
        subprocess.run([sys.executable, "-W", "error", "-c", code, *names], cwd=str(PACKAGE.parent), check=True)

    def test_a_name_that_it_lacks_is_an_attribute_error(self):
        with self.assertRaisesRegex(AttributeError, "no attribute 'raport'"):
            tensorhub.raport
