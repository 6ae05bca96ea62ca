"""Runs a script as a task: ``python3 -m tensorhub.run SCRIPT [ARGUMENT...]``, or by its path, as the runner does.

By its path Python finds it with any options, such as -I, and in any folder. What it does is in tensorhub/script.py.
"""

# This file leaves no name of its own behind: a process that multiprocessing starts runs it under the name __mp_main__
# and takes what it finds in it then for the script's module. Every Python from 2.7 on reads it.
if __name__ == "__main__":
    import sys

    if not __package__:
        # Python puts the folder of the file that it is given first, and its modules would hide others of those names.
        _here = __file__.rpartition("/")[0]
        sys.path[:] = [_folder for _folder in sys.path if _folder != _here]
        if _here.rpartition("/")[0] not in sys.path:
            sys.path.insert(0, _here.rpartition("/")[0])
    if sys.version_info >= (3, 8):
        __import__("tensorhub.script").script.main(is_module=bool(__package__))
    else:
        _names = {"__name__": "tensorhub_legacy"}
        with open(__file__.rpartition("/")[0] + "/legacy.py") as _file:
            exec(compile(_file.read(), _file.name, "exec"), _names)
        _names["main"](sys.argv[1], sys.argv[1:])
elif __name__ == "__mp_main__":
    __import__("tensorhub.script").script.become(globals())
