# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts known faults back into the service, one at a time, and shows that the tests see each.

The faults go into a worktree of their own, at HEAD. It ends with a table, and with status 1 where a
fault is missed, has no place to go, or does not compile.
"""

import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import tomllib
from types import SimpleNamespace

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TREE, LOGS = REPOSITORY / ".build-mutations/tree", REPOSITORY / ".build-mutations/logs"
SWIFT = os.environ.get("SWIFT", "swift")
# Without the optimiser a changed file is built in seconds; C, whose loops are long, keeps it.
OPTIONS = ["-Xcc", "-O2"]
BUILD_SECONDS, TEST_SECONDS, BASELINE_SECONDS, TEST_BYTES = 1800, 300, 1800, 8 << 30


def session_members(leader):
    """The processes of a session, with the bytes that each holds."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        # One may end meanwhile.
        with contextlib.suppress(OSError, IndexError):
            session = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[3])
            pages = int((folder / "statm").read_text().split()[1])
            if session == leader:
                yield int(folder.name), pages * os.sysconf("SC_PAGE_SIZE")


def end_session(leader):
    while members := list(session_members(leader)):
        for process, _ in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def run(command, log, seconds, directory=TREE, most_bytes=None, **environment):
    """Runs a command in a session of its own, of which nothing is left in the end.

    Returns its status, None where it took too much and was ended, and what it wrote.
    """
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=directory, env=os.environ | environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + seconds
        try:
            while process.poll() is None:
                used = sum(count for _, count in session_members(process.pid))
                if time.monotonic() > deadline or most_bytes and used > most_bytes:
                    break
                time.sleep(0.2)
            status = process.poll()
        finally:
            process.kill()
            process.wait()
            end_session(process.pid)
    return status, pathlib.Path(log).read_text(errors="replace")


def build(log, tests):
    """Builds the program, and the Swift tests only where they are asked for; False if it fails."""
    needs_tests = any(".py" not in test for test in tests)
    what = ["--build-tests"] if needs_tests else ["--product", "nmmask"]
    return run([SWIFT, "build", *OPTIONS, *what], log, BUILD_SECONDS)[0] == 0


def run_pytest(tests, log, seconds):
    """Runs tests up to the first that fails; returns None where none does, or what it was."""
    status, text = run(
        [sys.executable, "-m", "pytest", "-qx", "-rfE", "--tb=short", "-pno:cacheprovider", *tests],
        log, seconds, TREE / "Tests/Conformance", TEST_BYTES,
        NMMASK_BINARY=str(TREE / ".build/debug/nmmask"))
    if status == 0:
        return None
    if found := re.search(r"^(?:FAILED|ERROR) (\S+::\w+).*", text, re.MULTILINE):
        print("   ", found[0][:160])
        return f"`{found[1]}`"
    return unless_broken(status, tests, log)


def run_swift_tests(tests, log, seconds):
    """The same of Swift's tests."""
    filters = [word for test in tests for word in ("--filter", test)]
    status, text = run(
        [SWIFT, "test", "--skip-build", *OPTIONS, *filters], log, seconds, most_bytes=TEST_BYTES)
    if status == 0:
        if "Test run with 0 tests" in text or "Test run with" not in text:
            raise RuntimeError(f"no test is called {' or '.join(tests)}")
        return None
    if found := re.search(r"✘ Test (.+?)(?: with .*)? recorded an issue.*", text):
        print("   ", found[0][:160])
        return f"`{tests[0]}`: " + found[1].strip('"')
    if re.search(r"signal code|Fatal error", text):
        return f"`{tests[0]}`, which the fault ends"
    return unless_broken(status, tests, log)


def unless_broken(status, tests, log):
    if status is None:
        return f"`{tests[0]}`, which does not end"
    raise RuntimeError(f"tests ended with status {status} and named none that failed, see {log}")


def run_tests(tests, log, seconds):
    python = [test for test in tests if ".py" in test]
    swift = [test for test in tests if ".py" not in test]
    return (python and run_pytest(python, f"{log}.pytest", seconds)
            or swift and run_swift_tests(swift, f"{log}.swift", seconds))


def write(path, text):
    path.write_text(text)
    if (path.parent / "module.modulemap").exists():
        # SwiftPM does not look for changes in the headers of libraries of the system.
        for file in (TREE / "Sources").rglob("*.swift"):
            if f"import {path.parent.name}\n" in file.read_text():
                file.touch()


def result(mutation):
    """What came of a fault, and whether a test saw it."""
    log = LOGS / re.sub(r"\W+", "-", mutation.name)
    path = TREE / "Sources" / mutation.file
    text = path.read_text()
    if (count := text.count(mutation.find)) != 1:
        return f"MISPLACED: the text is there {count} times", False
    write(path, text.replace(mutation.find, mutation.replace))
    try:
        if not build(f"{log}.build", mutation.tests):
            return f"DOES NOT COMPILE: see {log}.build", False
        failed = run_tests(mutation.tests, log, TEST_SECONDS)
        return failed or "MISSED", bool(failed)
    except RuntimeError as error:
        return f"BROKEN: {error}", False
    finally:
        write(path, text)


def git(*arguments, directory=REPOSITORY):
    return subprocess.run(
        ["git", *arguments], cwd=directory, check=True, capture_output=True, text=True).stdout


def prepare_tree():
    if git("status", "--porcelain", "--", "Sources", "Tests", ":!Tests/Mutations"):
        sys.exit("Sources or Tests have changes; commit them first, faults are put into HEAD.")
    LOGS.mkdir(parents=True, exist_ok=True)
    if not TREE.exists():
        git("worktree", "add", "--detach", "--force", str(TREE))
    git("reset", "--hard", "--quiet", git("rev-parse", "HEAD").strip(), directory=TREE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="parts of the names of the faults to put back")
    parser.add_argument("--keep", action="store_true", help="keep the tree for the next time")
    arguments = parser.parse_args()
    with open(pathlib.Path(__file__).with_name("mutations.toml"), "rb") as file:
        mutations = [SimpleNamespace(**entry) for entry in tomllib.load(file)["mutation"]]
    if arguments.names:
        mutations = [mutation for mutation in mutations
                     if any(name in mutation.name for name in arguments.names)]
    mutations.sort(key=lambda mutation: mutation.file)  # A module is built again as a whole.
    prepare_tree()
    try:
        tests = sorted({test for mutation in mutations for test in mutation.tests})
        if not build(LOGS / "unchanged.build", tests):
            sys.exit(f"The tree does not build, see {LOGS / 'unchanged.build'}.")
        if failed := run_tests(tests, LOGS / "unchanged", BASELINE_SECONDS):
            sys.exit(f"The tests fail without any fault: {failed}")
        results = []
        for number, mutation in enumerate(mutations, 1):
            print(f"{number}/{len(mutations)} {mutation.name}", flush=True)
            results.append((mutation, *result(mutation)))
            print("   ", results[-1][1])
    finally:
        if not arguments.keep:
            git("worktree", "remove", "--force", str(TREE))
    print("\n| fault | file | seen by |\n|---|---|---|")
    for mutation, outcome, _ in results:
        print("|", mutation.name.replace("|", "\\|"), f"| `{mutation.file}` | {outcome} |")
    seen = sum(is_seen for _, _, is_seen in results)
    print(f"\n{seen} of {len(results)} faults are seen.")
    return 0 if seen == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
