# The verbs of this repository, the same for people and for CI. `just` alone lists them.
# Each runs in the environment whose `python` comes first on PATH.

export PYTHONDONTWRITEBYTECODE := "1"

_list:
    @just --list --unsorted

# Rewrite the sources in the house format; `just format --check` only looks.
format *words:
    python -m ruff format {{ words }} conftest.py src tests benchmarks docs

# Style, naming, docstrings, complexity, likely bugs.
lint *words:
    python -m ruff check {{ words }} conftest.py src tests benchmarks docs

# Strict types on src/.
types *words:
    python -m basedpyright --pythonpath "$(python -c 'import sys; print(sys.executable)')" {{ words }}

# Imports only go down; no unfinished-work mark without an issue; tests mirror sources.
floors:
    lint-imports --no-cache
    python -m pytest -q tests/test_tree.py

# The main job from end to end on the smallest data, in seconds.
tiny *words:
    python -m pytest tests/test_tiny.py {{ words }}

# Quick tests and doctests: at most 6 minutes on two cores.
test *words:
    python -m pytest {{ words }}

# The tests marked slow: minutes each, real data.
test-slow *words:
    python -m pytest -n 0 -m slow {{ words }}

# Timed comparisons; each writes its result with machine, versions and spread to benchmarks/results/.
bench name *words:
    python benchmarks/{{ name }}.py {{ words }}

# Regenerate reference, papers, pictures and the tables of README; `--check` fails on a difference.
docs *words:
    python docs/generate.py {{ words }}

# The site of these docs, in build/site; a broken link or an unknown name is an error. Needs '.[docs]'.
docs-site *words:
    python -m sphinx --fail-on-warning --keep-going --quiet {{ words }} docs build/site

# What CI runs, in at most 10 minutes.
check: (format "--check") lint types floors (docs "--check") test
