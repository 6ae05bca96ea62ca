"""Runs a script with its hyper-parameters as global variables and takes its results from them.

The script is the module __main__ in every respect: its globals are its own, multiprocessing and pickle find its
functions, and tracebacks begin with its own first line.
"""

import sys

# The folder of the script, or the one that we were started in, comes first on the path; its json.py is not ours.
_folder = sys.path.pop(0) if sys.path else ""
import atexit
import importlib.machinery
import json
import os
import types

import tensorhub

sys.path.insert(0, _folder)

# Where the script is, for the processes that it starts.
_SCRIPT_VARIABLE = "TENSORHUB_SCRIPT_FILE"


def main():
    """Runs the script that the command line names, and ends the process as it does."""
    # A launcher inside of the script may run `-m tensorhub.run` again: then the arguments are the script's alone, and
    # the results stay the first process's to report.
    path = os.environ.get(_SCRIPT_VARIABLE)
    is_first = path is None
    if is_first:
        if len(sys.argv) < 2:
            sys.exit("usage: python3 -m tensorhub.run SCRIPT [ARGUMENT...]")
        path = os.path.abspath(sys.argv.pop(1))
        os.environ[_SCRIPT_VARIABLE] = path
    sys.argv[0] = path
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(path)

    module = types.ModuleType("__main__")
    # multiprocessing starts `tensorhub.run` in its processes because of this: see become().
    module.__spec__ = sys.modules["__main__"].__spec__
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    module.__package__ = None
    module.__builtins__ = __builtins__
    _keep.append(sys.modules["__main__"])
    sys.modules["__main__"] = module

    ending = _Ending(path, module)
    if is_first:
        # After the script's own threads and exit handlers: the first to be registered is the last to run.
        atexit.register(ending.report)
    ending.run()


def become(namespace):
    """Makes the module that a process of multiprocessing has for the script's: __mp_main__."""
    path = os.environ.get(_SCRIPT_VARIABLE) or sys.argv[0]
    for name in ("__cached__", "__doc__"):
        namespace[name] = None
    _run(path, namespace, _hyper_parameters())


# Modules whose globals must not be cleared.
_keep = []


def _run(path, namespace, parameters):
    """Executes the script."""
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    namespace["__file__"] = path
    for name, value in parameters.items():
        # The module's own names, such as __name__ and __builtins__, are not for sale.
        if not (name.startswith("__") and name.endswith("__")):
            namespace[name] = value
    exec(code, namespace)


def _hyper_parameters():
    return dict(tensorhub.hyper_parameters)


class _Ending:
    """What is left to do when the script has ended."""

    def __init__(self, path, module):
        self.path = path
        self.module = module
        self.parameters = _hyper_parameters()
        self.pid = os.getpid()
        self.succeeded = False

    def run(self):
        try:
            _run(self.path, self.module.__dict__, self.parameters)
            self.succeeded = True
        except SystemExit as ending:
            self.succeeded = ending.code is None or (isinstance(ending.code, int) and ending.code == 0)
            raise
        except BaseException as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
                trace = trace.tb_next
            sys.excepthook(type(error), error.with_traceback(trace), trace)
            interrupted = isinstance(error, KeyboardInterrupt)
        else:
            return
        sys.exit(130 if interrupted else 1)

    def report(self):
        """Adds the saved results that the result file lacks."""
        attempt = sys.modules.get("tensorhub.attempt")
        if attempt is not None:
            attempt.end()
        # A fork of the script that ends by itself has nothing to report.
        if not self.succeeded or os.getpid() != self.pid:
            return
        path = os.environ.get("TENSORHUB_RESULT_FILE")
        keys = tensorhub.saved_result_keys()
        if not path or not keys:
            return
        try:
            with open(path, encoding="utf-8") as file:
                results = json.load(file)
        except FileNotFoundError:
            results = {}
        except (OSError, ValueError, RecursionError):
            return  # not ours to judge: the runner does, and says so
        if not isinstance(results, dict):
            return
        values = self.module.__dict__
        added = {}
        for key in keys:
            if key in results or key not in values or self._is_only_a_parameter(key):
                continue
            try:
                added[key] = _plain(values[key])
                json.dumps(added[key])
            except (TypeError, ValueError, RecursionError, AttributeError, RuntimeError) as error:
                added.pop(key, None)
                print("tensorhub: the result '%s' cannot be stored: %s" % (key, error), file=sys.stderr)
        if added:
            results.update(added)
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(results, file)
            os.replace(path + ".new", path)

    def _is_only_a_parameter(self, key):
        """Whether a global is what we put there, and not a result that the script computed."""
        if key not in self.parameters or self.module.__dict__[key] is not self.parameters[key]:
            return False
        # Small numbers and short texts are the same object whoever makes them: look whether the script assigns at all.
        with open(self.path, "rb") as file:
            code = compile(file.read(), self.path, "exec", dont_inherit=True)
        return not _assigns(code, key)


def _assigns(code, name):
    import dis

    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_NAME", "STORE_GLOBAL") and instruction.argval == name:
            return True
    return any(_assigns(item, name) for item in code.co_consts if isinstance(item, types.CodeType))


def _plain(value, depth=0):
    """The value in terms of JSON. Arrays and scalars of NumPy, and whatever behaves like them, become lists and numbers."""
    if depth > 150:
        raise ValueError("its parts nest deeper than 150 levels, or contain themselves")
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise ValueError("a whole number of %d bits does not fit into 64; leave it as text: str(...)" % value.bit_length())
        return int(value)
    if isinstance(value, str):
        # Half of a surrogate pair is no character.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if not isinstance(value, type):
        # NumPy and PyTorch have tolist, TensorFlow has numpy.
        for name in ("tolist", "numpy"):
            convert = getattr(value, name, None)
            if callable(convert):
                converted = convert()
                if converted is not value:
                    return _plain(converted, depth + 1)
    raise TypeError("a value of type %s is no JSON" % type(value).__name__)


def _key(key):
    if isinstance(key, str):
        return _plain(key)
    if isinstance(key, bool) or not hasattr(key, "__index__"):
        raise TypeError("the key %r of type %s is no JSON" % (key, type(key).__name__))
    return str(int(key))
