"""Runs the other files, which come over standard input as JSON, and prints what they return.

Each line before the last is the place of what is being executed, for whoever has to end it.
"""

import sys

# With `-c` the current folder comes first, and a module of the user's would take the place of Python's own.
if sys.path[:1] == [""]:
    del sys.path[0]

import json  # noqa: E402
import os  # noqa: E402
import types  # noqa: E402


def start() -> None:
    request = json.load(sys.stdin)
    # What the user's code prints must not come between.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(line: object) -> None:
        answer.write(json.dumps(line) + "\n")
        answer.flush()

    if sys.version_info < (3, 10):
        say({"mistake": f"{sys.executable} is Python {sys.version.split()[0]}, and 3.10 is needed", "left_out": []})
        return
    try:
        import twisted.protocols.amp
    except ImportError as error:
        say({"mistake": f"{sys.executable} has no Twisted: {error}", "left_out": []})
        return
    for name, source in request["sources"]:
        module = sys.modules[name] = types.ModuleType(name)
        exec(compile(source, f"ampctl: {name}.py", "exec"), vars(module))
    limits = sys.modules["ampctl_limits"]
    limits.tellers.append(say)
    limits.limit_all()
    say(sys.modules["ampctl_record"].answer(request))
    # Threads that the user's code has started would be waited for.
    os._exit(0)


start()
