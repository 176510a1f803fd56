# SPDX-License-Identifier: GPL-3.0-or-later
"""`nmmask solve` and `nmmask inspect`: files in, files out, and what a shell is told."""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import time

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from server import binary
from service import query
from tensors import MEDIA_TYPE, TYPES, load, save

RANDOM = np.random.default_rng(71)
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("NMMASK_")}
USAGE, DATA, NO_INPUT, CANNOT_CREATE, CANNOT_WRITE, LATER = 64, 65, 66, 73, 74, 75


def run(*arguments, stdin=b"", status=0, **options):
    """The output of a command, whose exit status is checked."""
    done = subprocess.run(
        [binary(), *map(str, arguments)], input=stdin, capture_output=True, timeout=60,
        env=ENVIRONMENT, **options)
    assert done.returncode == status, (done.returncode, done.stderr.decode())
    if status:
        assert re.match(rb"Error: \S", done.stderr.replace(b"\r", b"")), done.stderr
        assert not done.stdout
    return done


def solve(*arguments, n=2, m=4, **options):
    return run("solve", *arguments, "--n", n, "--m", m, **options)


def inspect(*arguments, **options):
    return json.loads(run("inspect", *arguments, "--json", **options).stdout)


TENSORS = {
    "layer.weight": RANDOM.standard_normal((24, 16)).astype("<f4"),
    "layer.bias": RANDOM.standard_normal(24).astype("<f4"),
    "conv": RANDOM.standard_normal((8, 4, 3, 3)).astype("<f2"),
    "odd": RANDOM.standard_normal((7, 9)).astype("<f8"),
    "hollow": np.zeros((0, 8), "<f4"),
    "places": np.arange(16).reshape(4, 4),
    "byte": RANDOM.integers(-128, 128, (8, 8)).astype("i1"),
    "brain": RANDOM.standard_normal((16, 8)).astype(ml_dtypes.bfloat16),
    "flags": np.ones((4, 4), bool)}


@pytest.fixture
def folder(tmp_path):
    """Where a user works: a model with metadata, and a matrix."""
    save_file(TENSORS, tmp_path / "model.safetensors", {"format": "pt", "é": "\"x\""})
    np.save(tmp_path / "w.npy", TENSORS["layer.weight"])
    return tmp_path


def files(folder):
    return sorted(path.name for path in folder.iterdir())


# MARK: The same as the service

@pytest.mark.parametrize("options, parameters", [
    ([], {}), (["--mask-encoding", "bits"], {"mask_encoding": "bits"}),
    (["--mask-encoding", "array", "--n", 4, "--m", 8], {"n": 4, "m": 8}),
    (["--structure", "row", "--remainder", "dense"], {"structure": "row", "remainder": "dense"}),
    (["--constraint", "at_most", "--method", "greedy"], {"constraint": "at_most", "method": "greedy"}),
    (["--include", "layer.*", "--include", "conv", "--exclude", "*bias"],
     {"include": "layer.*,conv", "exclude": "*bias"}),
    (["--groups", "conv=2", "--threads", 1], {"groups": '{"conv": 2}'}),
    (["--include", "conv", "--strict"], {"include": "conv", "strict": "true"})])
def test_model_gets_the_bytes_of_the_service(service, folder, options, parameters):
    file = folder / "model.safetensors"
    parameters = {"n": 2, "m": 4} | parameters
    target = "/v1/models/masks" + query(parameters)
    headers = {"Content-Type": MEDIA_TYPE}
    reply = service.send("POST", target, file.read_bytes(), headers)
    assert reply.status == 200, reply.body
    report = service.send("POST", target, file.read_bytes(), headers | {"Accept": "application/json"})
    printed = run("solve", file, *(["--n", 2, "--m", 4] if "--n" not in options else []), *options,
                  "--out", folder / "masks", "--report", folder / "report.json", "--json", "--quiet")
    assert (folder / "masks").read_bytes() == reply.body
    assert (folder / "report.json").read_bytes().rstrip(b"\n") == report.body.rstrip(b"\n")
    assert printed.stdout.rstrip(b"\n") == report.body.rstrip(b"\n") and not printed.stderr


def test_timings_are_told(folder):
    solve(folder / "model.safetensors", "--timings", "--report", folder / "r", "-q")
    tensors = json.loads((folder / "r").read_text())["tensors"]
    assert all(tensor["solve_ms"] >= 0 for tensor in tensors if tensor["status"] == "masked")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2", ">i2", "i1", "u1", "<i8"])
def test_matrix_gets_the_mask_of_the_service(service, tmp_path, kind, order):
    matrix = np.array(RANDOM.integers(-100, 100, (12, 20)), kind, order=order)
    matrix.reshape(-1, order="A")[3] = 0
    np.save(tmp_path / "w.npy", matrix)
    solve(tmp_path / "w.npy", "--out", tmp_path / "m.npy", "--apply", tmp_path / "p.npy",
          "--report", tmp_path / "r.json")
    mask = np.load(tmp_path / "m.npy")
    reply = service.npy("/v1/masks", matrix, n=2, m=4)
    assert mask.dtype == bool and (mask == reply.mask).all()
    summary = json.loads((tmp_path / "r.json").read_text())
    assert summary == {name: value for name, value in reply.json.items() if name != "mask"}
    pruned = (tmp_path / "p.npy").read_bytes()
    before = (tmp_path / "w.npy").read_bytes()
    size = matrix.nbytes
    assert len(pruned) == len(before) and pruned[:-size] == before[:-size]
    assert (np.load(tmp_path / "p.npy") == np.where(mask, matrix, 0)).all()


# MARK: --apply

def raw_tensors(file):
    """Header and tensors of a safetensors file, as bytes."""
    length = struct.unpack("<Q", file[:8])[0]
    header = json.loads(file[8:8 + length])
    header.pop("__metadata__", None)
    data = file[8 + length:]
    return file[:8 + length], {name: data[slice(*entry["data_offsets"])] for name, entry in header.items()}


def test_apply_zeroes_what_is_masked_and_nothing_else(folder):
    source = folder / "model.safetensors"
    weights = TENSORS["layer.weight"].copy()
    weights.flat[::3] = -0.0
    save_file(TENSORS | {"layer.weight": weights}, source, {"format": "pt"})
    solve(source, "--apply", folder / "pruned", "--out", folder / "masks")
    before, tensors = raw_tensors(source.read_bytes())
    after, pruned = raw_tensors((folder / "pruned").read_bytes())
    assert before == after and tensors.keys() == pruned.keys()
    masks = load((folder / "masks").read_bytes())
    assert {"layer.weight", "conv", "byte", "brain"} <= masks.keys()
    for name, data in tensors.items():
        if name not in masks:
            assert pruned[name] == data
            continue
        size = TENSORS[name].dtype.itemsize
        kept = np.repeat(masks[name].ravel(), size)
        expected = np.where(kept, np.frombuffer(data, "u1"), 0).astype("u1").tobytes()
        assert pruned[name] == expected, name
    kept = masks["layer.weight"].ravel() & (np.arange(weights.size) % 3 == 0)
    pruned_weights = np.frombuffer(pruned["layer.weight"], "<f4")
    assert kept.any() and np.signbit(pruned_weights[kept]).all(), "a zero has lost its sign"
    with safe_open(folder / "pruned", "numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_apply_to_more_than_a_piece(tmp_path):
    """Several buffers of data, with tensors that end inside them, and types that are only copied."""
    tensors = {"a": RANDOM.standard_normal((1000, 801)).astype("<f4"),
               "b": RANDOM.integers(-9, 9, (1201, 1000)).astype("i1"),
               "c": np.ones((300, 1000), ml_dtypes.float8_e4m3fn),
               "d": RANDOM.standard_normal((512, 512)).astype("<f8")}
    (tmp_path / "m").write_bytes(save(tensors))
    solve(tmp_path / "m", "--structure", "row", "--remainder", "dense", "--exclude", "c",
          "--out", tmp_path / "masks", "--apply", tmp_path / "p")
    masks = load((tmp_path / "masks").read_bytes())
    pruned = raw_tensors((tmp_path / "p").read_bytes())[1]
    assert pruned["c"] == tensors["c"].tobytes() and masks.keys() == {"a", "b", "d"}
    for name, mask in masks.items():
        assert (np.frombuffer(pruned[name], tensors[name].dtype).reshape(mask.shape)
                == np.where(mask, tensors[name], 0)).all(), name


def test_applying_twice_changes_nothing(folder):
    solve(folder / "model.safetensors", "--apply", folder / "once")
    solve(folder / "once", "--apply", folder / "twice")
    assert (folder / "once").read_bytes() == (folder / "twice").read_bytes()


# MARK: Standard input and output

@pytest.mark.parametrize("name", ["model.safetensors", "w.npy"])
def test_standard_input_and_output(folder, name):
    file = folder / name
    solve(file, "--out", folder / "masks", "--apply", folder / "pruned", "--report", folder / "r.json")
    masks, pruned, report = ((folder / name).read_bytes() for name in ("masks", "pruned", "r.json"))
    data = file.read_bytes()
    piped = solve("-", "--out", "-", "--report", folder / "r2.json", stdin=data)
    assert piped.stdout == masks and (folder / "r2.json").read_bytes() == report
    assert b"retained" in piped.stderr
    piped = solve("-", "--apply", "-", "--json", "--quiet", stdin=data)
    assert piped.stdout == pruned and piped.stderr == report
    assert solve(file, "--report", "-", "--quiet").stdout == report
    assert solve("-", "--out", "-", "--quiet", stdin=data).stderr == b""
    # A file as standard input, which has been read before.
    with (folder / "both").open("wb") as both:
        both.write(b"before" + data)
    with (folder / "both").open("rb") as both:
        both.seek(6)
        done = subprocess.run(
            [binary(), "solve", "-", "--n", "2", "--m", "4", "--apply", "-"], stdin=both,
            capture_output=True, timeout=60)
        assert done.returncode == 0 and done.stdout == pruned


def test_standard_output_takes_one_thing(folder):
    for second in ("--apply", "--report"):
        solve(folder / "w.npy", "--out", "-", second, "-", status=USAGE)
    solve(folder / "w.npy", "--out", "/dev/stdout", "--report", folder / "r")


def test_reader_that_goes_away(folder):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [binary(), "solve", folder / "model.safetensors", "--n", "2", "--m", "4", "--out", "-",
         "--apply", folder / "p"], stdout=write, stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert done.returncode == CANNOT_WRITE and b"Broken pipe" in done.stderr
    assert files(folder) == ["model.safetensors", "w.npy"]


# MARK: Faults

def faults(folder):
    """Command lines that fail, by the status they fail with."""
    model, matrix = folder / "model.safetensors", folder / "w.npy"
    bad = folder / "bad"
    bad.mkdir()
    (bad / "none").write_bytes(b"")
    (bad / "text").write_bytes(b"hello, world")
    (bad / "cut").write_bytes(model.read_bytes()[:-1])
    (bad / "cut.npy").write_bytes(matrix.read_bytes()[:-1])
    (bad / "long.npy").write_bytes(matrix.read_bytes() + b"\0")
    (bad / "long").write_bytes(model.read_bytes() + b"\0")
    np.save(bad / "nan.npy", np.full((4, 4), np.nan))
    np.save(bad / "odd.npy", np.ones((5, 5)))
    np.save(bad / "vector.npy", np.ones(4))
    save_file({"a": np.ones((4, 4)), "w": np.diag([np.inf] * 4)}, bad / "inf")
    save_file({"f8": np.ones((4, 4), ml_dtypes.float8_e5m2)}, bad / "f8")
    plain = ["--n", 2, "--m", 4]
    return [
        (DATA, [bad / name, *plain]) for name in sorted(os.listdir(bad))
    ] + [
        (DATA, [model, "--n", 5, "--m", 4]), (DATA, [model, "--n", 0, "--m", 4]),
        (DATA, [model, "--n", 2, "--m", 4, "--strict"]),
        (DATA, [model, *plain, "--include", "nothing*"]),
        (DATA, [model, *plain, "--groups", "layer.weight=2"]),
        (DATA, [model, *plain, "--structure", "row", "--method", "greedy"]),
        (DATA, [matrix, *plain, "--include", "*"]), (DATA, [matrix, *plain, "--strict"]),
        (USAGE, [model, "--n", 2]), (USAGE, [*plain]), (USAGE, [model, *plain, "--nn", 1]),
        (USAGE, [model, *plain, "--structure", "diagonal"]), (USAGE, [model, "--n", "x", "--m", 4]),
        (USAGE, [model, *plain, "--groups", "conv"]), (USAGE, [model, *plain, "--threads", 0]),
        (USAGE, [model, *plain, "--out", model]), (USAGE, [model, *plain, "--apply", model]),
        (USAGE, [model, *plain, "--report", folder / "." / "model.safetensors"]),
        (USAGE, [model, *plain, "--out", folder / "x", "--apply", folder / "x"]),
        (NO_INPUT, [folder / "missing", *plain]), (NO_INPUT, [folder, *plain]),
        (CANNOT_CREATE, [model, *plain, "--out", folder / "no" / "where"]),
        (CANNOT_CREATE, [model, *plain, "--out", folder]),
        (CANNOT_WRITE, [model, *plain, "--out", "/dev/full"]),
        (CANNOT_WRITE, [matrix, *plain, "--apply", "/dev/full", "--out", folder / "x"])]


def test_exit_statuses_and_no_half_files(folder):
    before = None
    for status, arguments in faults(folder):
        before = before or files(folder)
        if not any(option in arguments for option in ("--out", "--apply", "--report")):
            (folder / "kept").write_bytes(b"kept")
            arguments = [*arguments, "--out", folder / "kept", "--apply", folder / "new"]
        done = subprocess.run(
            [binary(), "solve", *map(str, arguments)], capture_output=True, timeout=60,
            stdin=subprocess.DEVNULL, env=ENVIRONMENT)
        assert done.returncode == status, (arguments, done.returncode, done.stderr)
        assert b"Error: " in done.stderr and not done.stdout, arguments
        if (folder / "kept").exists():
            assert (folder / "kept").read_bytes() == b"kept", arguments
            (folder / "kept").unlink()
        assert files(folder) == before, arguments


@pytest.mark.parametrize("name, chunk", [("cut", -1), ("cut.npy", -1), ("long", 1), ("long.npy", 1)])
def test_wrong_sizes_through_a_pipe(folder, name, chunk):
    data = (folder / ("w.npy" if name.endswith("npy") else "model.safetensors")).read_bytes()
    data = data[:chunk] if chunk < 0 else data + b"\0"
    solve("-", "--out", "-", "--quiet", stdin=data, status=DATA)
    run("inspect", "-", stdin=data, status=DATA)


def test_sizes_that_no_file_has_through_a_pipe():
    """Nothing bounds a pipe but what it brings: nothing may be set aside for what it promises."""
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d), }\n"
    for shape in ((2**31, 2**31), (2**40, 2**10), (2**25, 2**25)):
        header = (text % shape).encode()
        file = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)
        solve("-", "--quiet", stdin=file, status=DATA)
        run("inspect", "-", stdin=file, status=DATA)
        entry = json.dumps({"w": {"dtype": "U8", "shape": shape, "data_offsets": [0, shape[0] * shape[1]]}})
        file = struct.pack("<Q", len(entry)) + entry.encode() + bytes(64)
        solve("-", "--quiet", stdin=file, status=DATA)
        run("inspect", "-", stdin=file, status=DATA)


def test_time_limit(tmp_path):
    np.save(tmp_path / "w.npy", np.ones((2048, 2048), "i1"))
    solve(tmp_path / "w.npy", "--method", "greedy", "--timeout-ms", 1, "--quiet", status=LATER)


def test_other_commands_agree_on_statuses(folder):
    run("inspect", folder / "missing", status=NO_INPUT)
    run("inspect", "-", stdin=b"hello", status=DATA)
    run("inspect", status=USAGE)
    run("diversity", "--n", 5, "--m", 4, status=DATA)
    run("diversity", "--n", 1, status=USAGE)
    run("serve", "--token-file", folder / "missing", status=NO_INPUT)
    run("bench", "--pattern", "5:4", status=USAGE)
    with open("/dev/full", "wb") as full:
        for command in (["diversity", "--n", "2", "--m", "4"], ["inspect", folder / "w.npy"]):
            done = subprocess.run([binary(), *command], stdout=full, stderr=subprocess.PIPE, timeout=60)
            assert done.returncode == CANNOT_WRITE, done.stderr
    text = run("--help").stdout.decode()
    assert all(re.search(rf"^ +{code} ", text, re.MULTILINE)
               for code in (0, USAGE, DATA, NO_INPUT, 70, CANNOT_CREATE, CANNOT_WRITE, LATER))


def test_address_in_use_is_worth_another_try(server):
    run("serve", "--port", server.port, status=LATER)


def test_outputs_keep_links_and_modes(folder):
    (folder / "real").write_bytes(b"")
    (folder / "real").chmod(0o640)
    (folder / "link").symlink_to("real")
    solve(folder / "w.npy", "--out", folder / "link", "--report", folder / "new", umask=0o027)
    assert (folder / "link").is_symlink() and np.load(folder / "real").shape == (24, 16)
    assert (folder / "real").stat().st_mode & 0o777 == 0o640
    assert (folder / "new").stat().st_mode & 0o777 == 0o640
    if os.geteuid() != 0:
        (folder / "real").chmod(0o400)
        solve(folder / "w.npy", "--out", folder / "link", status=CANNOT_CREATE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_nothing(tmp_path, number):
    process = subprocess.Popen(
        [binary(), "solve", "-", "--n", "2", "--m", "4", "--out", tmp_path / "m"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        # A program that is started in the background ignores some of them, and so does its child.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    deadline = time.monotonic() + 20
    while not files(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(files(tmp_path)) == 1
    process.send_signal(number)
    assert process.wait(timeout=20) == -number
    process.stdin.close()
    process.stderr.close()
    assert files(tmp_path) == []


# MARK: inspect

SIZES = (2, 4, 8, 16, 32)


def most(kept, axis, m):
    """The most non-zeros in any group of m along an axis, by numpy; None where m does not divide."""
    if kept.shape[axis] % m:
        return None
    moved = np.moveaxis(kept, axis, -1)
    return int(moved.reshape(*moved.shape[:-1], -1, m).sum(-1).max())


def expected_patterns(tensor):
    kept = tensor.astype(float) != 0
    found = {}
    for structure, axes in (("row", [1]), ("column", [0]), ("transposable", [0, 1])):
        counts = {m: [most(kept, axis, m) for axis in axes] for m in SIZES}
        counts = {m: max(each) for m, each in counts.items() if None not in each}
        fits = [(n / m, m, n) for m in counts for n in (1, 2, 4, 8, 16) if counts[m] <= n < m]
        found[structure] = {
            "tightest": f"{min(fits)[2]}:{min(fits)[1]}" if fits else None,
            "most": {str(m): count for m, count in counts.items()}}
    return found


def sparse(shape, kind="<f4", share=0.3):
    tensor = RANDOM.standard_normal(shape) * 50
    return np.where(RANDOM.random(shape) < share, np.ceil(np.abs(tensor)), -0.0).astype(kind)


def test_inspect_counts_what_numpy_counts(tmp_path):
    tensors = {f"{shape}, {share}": sparse(shape, share=share)
               for shape in ((32, 64), (4, 12), (6, 32), (64, 7), (3, 5), (16, 8, 3, 3), (4, 4, 1), (64, 2, 5))
               for share in (0, 0.02, 0.1, 0.5, 1)}
    tensors |= {name: sparse((32, 32), kind, 0.05) for name, kind in TYPES.items()}
    tensors |= {"u2": sparse((4, 4), "<u2"), "f8": sparse((8, 8), ml_dtypes.float8_e4m3fn),
                "scalar": np.zeros((), "<f4"), "vector": sparse(40), "hollow": np.zeros((4, 0), "<f4")}
    (tmp_path / "t").write_bytes(save(tensors, {"a": "b"}))
    report = inspect(tmp_path / "t")
    assert report["format"] == "safetensors" and report["metadata"] == {"a": "b"}
    found = {entry["name"]: entry for entry in report["tensors"]}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        tensor = np.asarray(tensor)
        entry = found[name]
        zeros = int((tensor.astype(float) == 0).sum())
        assert (entry["shape"], entry["entries"], entry["zeros"]) == (list(tensor.shape), tensor.size, zeros)
        assert entry["density"] == (pytest.approx(1 - zeros / tensor.size) if tensor.size else None)
        if tensor.ndim < 2 or not tensor.size:
            assert "patterns" not in entry
        else:
            assert entry["patterns"] == expected_patterns(tensor), name
    assert report["totals"]["tensors"] == len(tensors)
    assert report["totals"]["entries"] == sum(np.size(tensor) for tensor in tensors.values())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", ">f8", ">f2", "i1", "?", ">i4"])
@pytest.mark.parametrize("shape", [(16, 32), (8, 4, 2), (32,)])
def test_inspect_npy(tmp_path, shape, kind, order):
    tensor = np.array(sparse(shape, kind, 0.1), order=order)
    np.save(tmp_path / "t.npy", tensor)
    data = (tmp_path / "t.npy").read_bytes()
    entry, = inspect("-", stdin=data)["tensors"]
    assert entry == inspect(tmp_path / "t.npy")["tensors"][0]
    assert entry["shape"] == list(shape) and entry["zeros"] == int((tensor == 0).sum())
    if len(shape) > 1:
        assert entry["patterns"] == expected_patterns(tensor)


@pytest.mark.parametrize("n, m", [(1, 4), (2, 4), (1, 2), (2, 8), (4, 8), (8, 16), (16, 32)])
@pytest.mark.parametrize("structure", ["row", "column", "transposable"])
def test_inspect_finds_the_pattern_of_a_mask(tmp_path, n, m, structure):
    save_file({"w": RANDOM.standard_normal((128, 128))}, tmp_path / "w")
    solve(tmp_path / "w", "--structure", structure, "--out", tmp_path / "mask", "--apply", tmp_path / "p",
          n=n, m=m)
    for name in ("mask", "p"):
        patterns = inspect(tmp_path / name)["tensors"][0]["patterns"]
        assert patterns[structure]["tightest"] == f"{n}:{m}"
    table = run("inspect", tmp_path / "mask").stdout.decode().splitlines()
    assert table[0].split()[:3] == ["name", "dtype", "shape"]
    assert table[1].split()[0] == "w" and table[1].split()[1] == "BOOL" and f"{n}:{m}" in table[1]


# MARK: Progress

def on_terminal(*arguments, columns=80):
    """What a command writes to standard error, which is a terminal."""
    import fcntl
    import termios
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [binary(), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=child,
        env=ENVIRONMENT | {"TERM": "xterm"})
    os.close(child)
    shown = b""
    try:
        while piece := os.read(parent, 65536):
            shown += piece
    except OSError:  # the end of a terminal, on Linux
        pass
    os.close(parent)
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    return shown.decode(), out


@pytest.mark.parametrize("columns", [200, 80, 50, 30, 12])
def test_bar_on_a_terminal(folder, columns):
    shown, out = on_terminal("solve", folder / "model.safetensors", "--n", 2, "--m", 4, columns=columns)
    bars = [bar for bar in shown.replace("\x1b[K", "").split("\r") if bar]
    assert bars and "\n" not in shown and b"retained" in out
    assert all(len(bar) < columns for bar in bars), bars
    if columns >= 50:
        assert re.fullmatch(r"\[#{10,40}\] 100%  9/9 tensors.*", bars[-1]), bars
    assert shown.endswith("\r\x1b[K"), "the bar stays"


def test_bar_is_not_redrawn_without_end(tmp_path):
    save_file({f"{index}": np.ones((4, 4), "<f4") for index in range(20_000)}, tmp_path / "m")
    start = time.monotonic()
    shown, _ = on_terminal("solve", tmp_path / "m", "--n", 2, "--m", 4)
    assert 2 <= shown.count("\r") <= 4 + 10 * (time.monotonic() - start)


def test_lines_elsewhere(folder):
    lines = solve(folder / "model.safetensors", "--json").stderr.decode().splitlines()
    assert len(lines) == len(TENSORS) and not any("\r" in line or "\x1b" in line for line in lines)
    assert sorted(line.split()[1] for line in lines) == sorted(TENSORS)
    assert lines[-1].startswith("9/9 ")
    assert any(line.endswith("layer.weight F32 [24, 16] masked") for line in lines)
    assert any(line.endswith("layer.bias F32 [24] skipped: fewer than 2 dimensions") for line in lines)
    shown, out = on_terminal("solve", folder / "model.safetensors", "--n", 2, "--m", 4, "--quiet")
    assert shown == "" and out == b""


# MARK: Completions

@pytest.mark.parametrize("shell, arguments", [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["-n"])])
def test_completions(tmp_path, shell, arguments):
    script = run("--generate-completion-script", shell).stdout
    for word in (b"safetensors", b"at_most", b"two_approximation", b"inspect", b"mask-encoding"):
        assert word in script
    (tmp_path / "script").write_bytes(script)
    try:
        done = subprocess.run([shell, *arguments, tmp_path / "script"], capture_output=True, timeout=20)
    except FileNotFoundError:
        assert shell != "bash"
        return
    assert done.returncode == 0, done.stderr


# MARK: Memory

def test_memory_beside_the_mask(tmp_path):
    """A quarter of a gigabyte through a solver that holds strips."""
    path = tmp_path / "w.npy"
    matrix = np.lib.format.open_memmap(path, "w+", "<f4", (8192, 8192))
    for row in range(0, 8192, 1024):
        matrix[row:row + 1024] = RANDOM.standard_normal((1024, 8192), "f4")
    matrix.flush()
    # By a small process of its own: a child's peak counts what its parent had when it was forked.
    watcher = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    command = [binary(), "solve", path, "--n", "2", "--m", "4", "--quiet", "--out", tmp_path / "m.npy"]
    done = subprocess.run(
        [sys.executable, "-S", "-c", watcher, *command, "--apply", tmp_path / "p.npy"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 < (64 << 20) + 8192 * 8192 / 8
