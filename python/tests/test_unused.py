"""Which hyper-parameters a script never looks at, as its text tells."""

import os
import tempfile
import unittest

import support  # noqa: F401, finds the package
from tensorhub import unused


class UnusedTests(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def unused(self, text, *names, **files):
        for name, content in files.items():
            self._write(name + ".py", content)
        parameters = {name: {name} for name in names or ("lr",)}
        return unused.names(self._write("train.py", text), parameters)

    def _write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_what_nobody_reads_is_told(self):
        for text in (
            "pass", "print(1)", "lr = 0.1\nprint(lr)", "lr: float = -0.1\nprint(lr)", "a = lr = [1, (2, 3)]\nprint(lr)",
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', default=0.1)\na = p.parse_args()\nprint(a.lr)",
            "lr = 0.1\ndef f():\n    return lr\nf()", "x.lr = 3", "def f(rate): return rate", "import helper",
            "import click\n@click.option('--lr')\ndef main(lr): print(lr)", "f = lambda *, lr=1: lr",
            "def f():\n    for lr in (1, 2): print(lr)", "[lr for lr in (1, 2)]",
            "def f(lr):\n    def g():\n        return lr\n    return g",
        ):  # fmt: skip
            with self.subTest(text):
                self.assertEqual(self.unused(text, helper="y = 1"), ["lr"])

    def test_what_somebody_may_read_is_not(self):
        for text in (
            "print(lr)", "def f():\n    return lr * 2", "lr = lr or 0.1", "lr += 1", "print(lr)\nlr = 0.1",
            "try:\n    lr\nexcept NameError:\n    lr = 0.1", "if 'lr' in globals():\n    pass", "lr = globals().get('lr', 1)",
            "exec('print(lr)')", "import os\nprint(os.environ['TENSORHUB_HP_lr'])", "from helper import *",
            "import tensorhub\nprint(tensorhub.hyper_parameters['lr'])", "def broken(", "f = lambda x=lr: x",
            "class A:\n    lr = lr", "def f():\n    global lr\n    lr = lr * 2", "def f(x=lr): pass",
            "@g(lr)\ndef f(lr): pass", "def f(a):\n    def g(lr): pass\n    return lr", "for lr in range(lr): pass", "print(f'{lr}')", "del lr", "import helper",
            "from helper import y", "import sys\nsys.modules['__main__'].lr", "import sys\nsys.modules[__name__].lr",
            "def f():\n    print(lr)\n    return [lr for lr in range(3)]", "[f(lr) for lr in lr]",
            "import subprocess\nsubprocess.run(['sh', 'train.sh'])", "import os\nos.system('sh train.sh')",
            "import inspect\ninspect.currentframe().f_globals['lr']",
        ):  # fmt: skip
            with self.subTest(text):
                self.assertEqual(self.unused(text, helper="from __main__ import lr"), [])

    def test_each_name_for_itself_in_the_order_given(self):
        text = "print(a)\nc = 3\nprint(c)"
        self.assertEqual(self.unused(text, "b", "a", "c"), ["b", "c"])

    def test_a_module_in_a_folder_and_a_large_text(self):
        os.mkdir(os.path.join(self.folder.name, "pkg"))
        self._write("pkg/deep.py", "import os\nos.getenv('TENSORHUB_HYPER_PARAMETERS')")
        self.assertEqual(self.unused("import pkg.deep"), [])
        self.assertEqual(self.unused("x = 1\n" * 300000), [])


if __name__ == "__main__":
    unittest.main()
