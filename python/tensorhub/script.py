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


def main(is_module=True):
    """Runs the script that the command line names, and ends the process as it does.

    :param is_module: Whether Python was given `-m tensorhub.run`, and has put a folder first for it.
    """
    # A launcher inside of the script may run `-m tensorhub.run` again: then the arguments are the script's alone, and
    # the results stay the first process's to report.
    path = os.environ.get(_SCRIPT_VARIABLE)
    is_first = path is None
    if is_first:
        if len(sys.argv) < 2:
            sys.exit("usage: python3 -m tensorhub.run SCRIPT [ARGUMENT...]")
        path = os.path.abspath(sys.argv.pop(1))
    if not (getattr(sys.flags, "safe_path", False) or sys.flags.isolated):
        sys.path[: 1 if is_module else 0] = [os.path.dirname(path)]
    _run_as_main(path, is_first, False)


def begin(names, path):
    """Runs the script for a file that another program has started in its place; ``names`` are that file's globals.

    Such a program may start several, as torchrun does.
    """
    is_first = _SCRIPT_VARIABLE not in os.environ
    if names.get("__name__") == "__main__":
        _run_as_main(path, is_first, True)
        return
    ending = _Ending(path, names, True, is_first)
    if is_first:
        atexit.register(ending.report)
    try:
        _run(path, names, ending.parameters)
    except BaseException as error:
        ending.leave_fault(error)
        raise
    ending.succeeded = True


def _run_as_main(path, is_first, may_be_one_of_several):
    os.environ[_SCRIPT_VARIABLE] = path
    sys.argv[0] = path
    if sys.flags.ignore_environment:
        # Then so is PYTHONUNBUFFERED; lines are to appear when they are printed.
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True)
    module = types.ModuleType("__main__")
    # multiprocessing starts `tensorhub.run` in its processes because of this: see become().
    module.__spec__ = importlib.machinery.ModuleSpec("tensorhub.run", None)
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    module.__package__ = None
    module.__builtins__ = __builtins__
    _keep.append(sys.modules["__main__"])
    sys.modules["__main__"] = module

    ending = _Ending(path, module.__dict__, may_be_one_of_several, is_first)
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
    for name, value in _variables(parameters).items():
        # The module's own names, such as __name__ and __builtins__, are not for sale.
        if not (name.startswith("__") and name.endswith("__")):
            namespace[name] = value
    exec(code, namespace)


def _as_python_reads(name):
    """The name of the variable that a script has where it spells the name so: Python reads the micro sign as a mu."""
    if name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


def _variables(parameters, told=True):
    """Hyper-parameters by their own names, and by what Python makes of these in a script."""
    if all(name.isascii() for name in parameters):
        return parameters
    variables, owners = dict(parameters), {name: name for name in parameters}
    for name in sorted(parameters):
        known = _as_python_reads(name)
        if owners.setdefault(known, name) == name:
            variables[known] = parameters[name]
        elif not told:
            words = "tensorhub: the hyper-parameter %r is no global variable, for Python reads its name as that of %r; "
            print((words + "tensorhub.hyper_parameters has both") % (name, owners[known]), file=sys.stderr, flush=True)
    return variables


def _hyper_parameters():
    return dict(tensorhub.hyper_parameters)


def _tell_unused(path, parameters):
    """Says before anything runs which hyper-parameters the script never looks at."""
    import re

    handed_over = _handed_over(tensorhub._read_task().get("hub") or {}, parameters)
    spellings = {name: {name, _as_python_reads(name)} for name in parameters if name not in handed_over}
    if not spellings:
        return
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return
    # A look that costs little, for most scripts use all: each name is there, neither as an attribute nor as the
    # option of a command line, and none is set where a line begins.
    words = set(re.findall(r"(?<![\w.\-\"'])\w+", text))
    starts = set(re.findall(r"^(\w+)[ \t]*[:=]", text, re.MULTILINE))
    if all(words & known and not starts & known for known in spellings.values()):
        return
    from tensorhub import unused

    names = unused.names(path, spellings)
    if not names:
        return
    words = "tensorhub: the script never uses the hyper-parameter%s %s: it reads no such variable, and no argument has it"
    print(words % ("s" if names[1:] else "", ", ".join(names)), file=sys.stderr, flush=True)
    result = os.environ.get("TENSORHUB_RESULT_FILE")
    if result:
        _replace(result + ".unused", names)


def _handed_over(hub, parameters):
    """The hyper-parameters that the script's command line has."""
    if hub.get("parameter_args"):
        return set(parameters)
    words = [word for word in hub.get("args") or () if isinstance(word, str)]
    return {name for name in parameters if any("{%s}" % name in word or "{%s." % name in word for word in words)}


class _Ending:
    """What is left to do when the script has ended."""

    def __init__(self, path, names, may_be_one_of_several, is_first):
        self.path = path
        #: The script's global variables.
        self.names = names
        self.may_be_one_of_several = may_be_one_of_several
        self.parameters = _hyper_parameters()
        _variables(self.parameters, told=False)
        self.pid = os.getpid()
        self.is_first = is_first
        self.succeeded = False
        if is_first and self.parameters:
            try:
                _tell_unused(path, self.parameters)
            except Exception as error:  # it is advice, and no reason to end a task
                print("tensorhub: which hyper-parameters are used cannot be told: %s" % error, file=sys.stderr)

    def run(self):
        try:
            _run(self.path, self.names, self.parameters)
            self.succeeded = True
        except SystemExit as ending:
            self.succeeded = ending.code is None or (isinstance(ending.code, int) and ending.code == 0)
            raise
        except BaseException as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
                trace = trace.tb_next
            self.leave_fault(error.with_traceback(trace))
            sys.excepthook(type(error), error, trace)
            interrupted = isinstance(error, KeyboardInterrupt)
        else:
            return
        sys.exit(130 if interrupted else 1)

    def leave_fault(self, error):
        """Tells the runner whose fault the exception is that ends the script."""
        # Neither of a fork of the script nor of a process that it has started.
        if not self.is_first or os.getpid() != self.pid or not isinstance(error, Exception):
            return
        try:
            from tensorhub import fault

            fault.leave(error, self.path)
        except Exception as failure:  # then it is a failure like any other
            print("tensorhub: why the script failed cannot be told to the runner: %s" % failure, file=sys.stderr)

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
        if not path or not keys or self.may_be_one_of_several and _rank() != "0":
            return
        if not self.may_be_one_of_several:
            self._add_results(path, keys)
            return
        import fcntl

        # Others of the same script may end now too; of each result the first counts. Not the journal's folder, whose
        # lock is the supervisor's.
        with open(self.path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._add_results(path, keys)

    def _add_results(self, path, keys):
        try:
            with open(path, encoding="utf-8") as file:
                results = json.load(file)
        except FileNotFoundError:
            results = {}
        except (OSError, ValueError, RecursionError):
            return  # not ours to judge: the runner does, and says so
        if not isinstance(results, dict):
            return
        added, typed, refused = {}, {}, {}
        for key in keys:
            name = self._name_of(key, keys)
            if key in results or name is None:
                continue
            try:
                value = _encoded(self.names[name], key)
                (added if _is_plain(value) else typed)[key] = value
            except Exception as error:  # whatever a type of the script's does
                refused[key] = str(error) or type(error).__name__
                print("tensorhub: the result '%s' cannot be stored: %s" % (key, refused[key]), file=sys.stderr)
        if typed:
            _leave_for_the_runner(typed)
        if added:
            _replace(path, {**results, **added})
        if refused:
            _replace(path + ".refused", refused)

    def _name_of(self, key, keys):
        """The script's variable for a result; ``None`` if it has set none."""
        known = _as_python_reads(key)
        for name in (key,) if known == key or known in keys else (key, known):
            if name in self.names and not self._is_only_a_parameter(key, name):
                return name
        return None

    def _is_only_a_parameter(self, key, name):
        """Whether a global is what we put there, and not a result that the script computed."""
        given = self.parameters.get(name, self.parameters.get(key, self))
        if self.names[name] is not given:
            return False
        # Small numbers and short texts are the same object whoever makes them: look whether the script assigns at all.
        with open(self.path, "rb") as file:
            code = compile(file.read(), self.path, "exec", dont_inherit=True)
        return not _assigns(code, name)


def _assigns(code, name):
    import dis

    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_NAME", "STORE_GLOBAL") and instruction.argval == name:
            return True
    return any(_assigns(item, name) for item in code.co_consts if isinstance(item, types.CodeType))


def _rank():
    """Which of several processes of one script this is, by the words of those that start them."""
    for name in ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"):
        if os.environ.get(name):
            return os.environ[name]
    return "0"


def _encoded(value, key):
    kind = type(value)
    if kind is float or kind is bool or value is None:
        return value
    from tensorhub import values

    return values.encode(value, key, 0, values.RESULT)


def _is_plain(value):
    """Whether JSON has it as it is: what Extended JSON adds is in documents whose key has a dollar sign."""
    if isinstance(value, dict):
        return all(key[:1] != "$" and _is_plain(item) for key, item in value.items())
    return not isinstance(value, list) or all(_is_plain(item) for item in value)


def _leave_for_the_runner(results):
    """Dates and the like, which the result file's plain JSON lacks, go where unsent requests go."""
    attempt = sys.modules.get("tensorhub.attempt")
    saved = attempt.saved_names if attempt is not None else ()
    results = {key: value for key, value in results.items() if key not in saved}
    path = os.environ.get("TENSORHUB_SPOOL_FILE")
    if results and path:
        from tensorhub import reporter

        reporter._append(path, [reporter._line(reporter.RESULTS, json.dumps(results))])


def _replace(path, document):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(document, file)
    os.replace(path + ".new", path)
