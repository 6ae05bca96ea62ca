"""The package as `pip install` and a package index have it."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

from support import PACKAGE, FolderTestCase

import tensorhub

try:
    import setuptools
except ImportError:
    setuptools = None

#: What `python3 -m build` and `pip wheel` call, each in a process of its own.
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def version():
    """Of setuptools; nothing where it is not there."""
    return tuple(int(part) for part in setuptools.__version__.split(".")[:2]) if setuptools else ()


class BuildTests(FolderTestCase):
    def setUp(self):
        super().setUp()
        # From 70.1 on it makes wheels without the package wheel.
        if version() < (70, 1):
            self.skipTest("this Python has no setuptools of 70.1 or newer")
        root = PACKAGE.parent
        self.source = os.path.join(self.folder, "source", "python")
        leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist")
        shutil.copytree(str(root), self.source, symlinks=True, ignore=leave)
        shutil.copy(str(root.parent / "LICENSE"), os.path.join(self.folder, "source"))
        self.out = os.path.join(self.folder, "out")
        os.mkdir(self.out)

    def build(self):
        """Builds both in the source's folder; what was said."""
        environment = dict(os.environ)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "universal_newlines": True}
        said = ""
        for name in ("build_sdist", "build_wheel"):
            command = [sys.executable, "-c", BUILD, name, self.out]
            process = subprocess.run(command, cwd=self.source, env=environment, **pipes)
            self.assertEqual(process.returncode, 0, process.stdout)
            said += process.stdout
        return said

    def test_both_are_built_without_a_warning_and_have_all_that_they_need(self):
        said = self.build()
        self.assertNotRegex(said, "(?i)warning|deprecat", said)
        modules = {"tensorhub/" + path.name for path in PACKAGE.glob("*.py")} | {"tensorhub/py.typed"}
        (wheel,) = pathlib.Path(self.out).glob("*.whl")
        with zipfile.ZipFile(str(wheel)) as archive:
            names = set(archive.namelist())
        self.assertEqual({name for name in names if ".dist-info/" not in name}, modules)
        self.assertTrue([name for name in names if name.endswith("/LICENSE")], names)
        (sdist,) = pathlib.Path(self.out).glob("*.tar.gz")
        with tarfile.open(str(sdist)) as archive:
            members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
        self.assertLessEqual(modules | {"LICENSE", "README.md", "pyproject.toml"}, set(members))
        self.assertTrue(members["LICENSE"].isfile() and members["LICENSE"].size > 1000)
        self.assertFalse([name for name in members if name.startswith("tests/")])

    def test_the_wheel_is_the_package(self):
        self.build()
        (wheel,) = pathlib.Path(self.out).glob("*.whl")
        code = "import tensorhub.hub, tensorhub.integrations; print(tensorhub.__version__, tensorhub.__file__)"
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, env=dict(os.environ, PYTHONPATH=str(wheel)), stdout=subprocess.PIPE, check=True)
        number, path = found.stdout.decode().split()
        self.assertEqual(number, tensorhub.__version__)
        self.assertTrue(path.startswith(str(wheel)), path)
