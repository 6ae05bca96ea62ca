"""python3 -m tensorhub.run SCRIPT [ARGUMENT...]: runs a script as a task. What it does is in tensorhub/script.py."""

# This file leaves no name of its own behind: a process that multiprocessing starts runs it under the name __mp_main__
# and takes what it finds in it then for the script's module.
if __name__ == "__main__":
    __import__("tensorhub.script").script.main()
elif __name__ == "__mp_main__":
    __import__("tensorhub.script").script.become(globals())
