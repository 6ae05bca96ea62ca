"""Hyper-parameters that a script never looks at, seen in its text before it runs.

Somebody who searches over ``lr`` must hear at once that the script trains with its own. What cannot be told from the
text, such as ``globals()`` or another module that reads the environment, counts as used: the word is never wrong.
"""

import ast
import os

#: Names by which a script, or a module of the task's, comes to hyper-parameters that its text does not name.
_READERS = ("globals", "locals", "vars", "exec", "eval", "subprocess", "runpy")
#: Attributes and texts by which it does.
_PLACES = ("__main__", "__dict__", "__name__", "f_globals", "f_locals", "__globals__", "system", "popen")
#: Parts of a text by which a script reads them from the environment, from files or by the API.
_MARKS = ("TENSORHUB_HP_", "TENSORHUB_HYPER_PARAMETERS", "TENSORHUB_TASK_FILE", "hyper_parameters")
#: Bytes of a module that is looked at.
_LARGEST = 1 << 20


def names(path, parameters):
    """The hyper-parameters of a script that it has no way to know.

    :param path: The script.
    :param parameters: The names of those that its command line does not have, each with the spellings that Python
        takes for it.
    """
    text = _read(path)
    if text is None or _looks_elsewhere(text):
        return []
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # it will say so itself
    for module in _modules(tree):
        for place in {os.path.dirname(path), os.getcwd()}:
            for file in (module.replace(".", "/") + ".py", module.replace(".", "/") + "/__init__.py"):
                text = _read(os.path.join(place, file))
                if text is not None and ("__main__" in text or _looks_elsewhere(text)):
                    return []
    read = _read_names(tree)
    if read is None:
        return []
    return [name for name, spellings in parameters.items() if not read.intersection(spellings)]


def _read(path):
    try:
        if os.path.getsize(path) > _LARGEST:
            return None
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace").lstrip("\ufeff")
    except OSError:
        return None


def _looks_elsewhere(text):
    return any(mark in text for mark in _MARKS)


def _modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _read_names(tree):
    """Every name that is read somewhere and may have the value from outside; ``None`` where nobody can tell."""
    hidden = set()
    read = set()
    for statement in tree.body:
        here = _loaded(statement)
        if here is None:
            return None
        # A constant that the script sets whatever happens hides what was given, from here on.
        read |= here - hidden
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and _is_constant(statement.value):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            hidden |= {target.id for target in targets if isinstance(target, ast.Name)}
    return read


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NAMED = (ast.NamedExpr,) if hasattr(ast, "NamedExpr") else ()
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _loaded(statement):
    """The names that it reads from outside of its functions; ``None`` where nobody can tell."""
    found = set()
    waiting = [(statement, frozenset())]
    while waiting:
        node, local = waiting.pop()
        if isinstance(node, ast.Attribute) and node.attr in _PLACES:
            return None
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "modules":
            return None
        if isinstance(node, ast.Name):
            if node.id in _READERS:
                return None
            if not isinstance(node.ctx, ast.Store) and node.id not in local:
                found.add(node.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id not in local:
            found.add(node.target.id)
        elif isinstance(node, ast.ImportFrom) and any(name.name == "*" for name in node.names):
            return None
        inner = local
        if isinstance(node, _FUNCTIONS):
            # Its parameters and what it sets hide what is global; not in its decorators and defaults.
            inner = (local | _parameters(node) | _stored(node)) - _declared(node)
            outside = node.args.defaults + node.args.kw_defaults + getattr(node, "decorator_list", [])
            waiting += [(child, local) for child in outside if child is not None]
            body = node.body if isinstance(node.body, list) else [node.body]
            waiting += [(child, inner) for child in body]
            continue
        if isinstance(node, _COMPREHENSIONS):
            # Its first source is looked at from outside.
            inner = local | _stored(node)
            waiting.append((node.generators[0].iter, local))
        waiting += [(child, inner) for child in ast.iter_child_nodes(node)]
    return found


def _parameters(function):
    arguments = function.args
    every = arguments.args + arguments.kwonlyargs + getattr(arguments, "posonlyargs", [])
    return {argument.arg for argument in every + [arguments.vararg, arguments.kwarg] if argument is not None}


def _own(scope):
    """What is in a function or comprehension, but not in the functions in it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _COMPREHENSIONS):
            # What it sets is its own, but for `:=`.
            waiting += [part.target for part in ast.walk(node) if isinstance(part, _NAMED)]
        elif not isinstance(node, _FUNCTIONS + (ast.ClassDef,)):
            waiting += ast.iter_child_nodes(node)


def _stored(scope):
    return {node.id for node in _own(scope) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _declared(function):
    return {name for node in _own(function) if isinstance(node, ast.Global) for name in node.names}


def _is_constant(value):
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, AttributeError):
        return False
    return value is not None
