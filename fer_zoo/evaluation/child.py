"""Run a module as a program that ends when the process that started it has ended, even if that was killed outright.

    python -P child.py PARENT MODULE ARGUMENT...

It is run by its path and imports nothing of fer_zoo, so that it is there at once.
"""

import os
import runpy
import sys
import threading
import time


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_leave_with, args=(int(sys.argv[1]),), daemon=True).start()
    sys.argv[:2] = []
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
