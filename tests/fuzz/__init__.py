"""Fuzz harness: damaged and hostile files into the library; only a right result or a FerZooError may come out.

    python -m pytest tests/fuzz -m slow                      the bounded run of CI
    python -m tests.fuzz --minutes 60 --seed 7               longer, from the checkout
    python -m tests.fuzz --targets recipe store --cases 500  some targets only
    python -m tests.fuzz --replay fuzz-out/recipe-7-133      one saved case again

`targets.py` says what is read and what a right result is. `mutate.py` and `formats.py` make the damage. `worker.py`
runs cases in a process with limits of memory and time. `engine.py` restarts it and saves what went wrong. A case
depends on its target, seed and number alone, so two runs are the same.
"""
