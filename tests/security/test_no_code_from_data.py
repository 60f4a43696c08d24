"""No file from outside is ever run: what unpickles or evaluates does not stand in the code at all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "sdk",
    "imaging",
    "phantom",
    "training",
    "export",
    "model_repository",
    "docker",
    "scripts",
    "benchmarks",
)
RUN_DATA = {
    *("dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"),
    *("eval", "exec", "compile", "pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.load"),
    *("yaml.unsafe_load", "yaml.full_load", "torch.jit.load", "torch.package", "os.system", "os.popen"),
}
SAFE_ARGUMENT = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def says(call: ast.Call, name: str, value: bool) -> bool:
    given = {word.arg: word.value for word in call.keywords}
    argument = given.get(name)
    return isinstance(argument, ast.Constant) and argument.value is value


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            module = getattr(node, "module", None)
            found = {module, *names, *(f"{module}.{name}" for name in names)} & RUN_DATA - {"compile", "eval"}
            yield from ((node.lineno, str(name)) for name in found)
        elif isinstance(node, ast.Call):
            name = dotted(node.func).replace("numpy.", "np.")
            if name in RUN_DATA:
                yield node.lineno, name
            if name in SAFE_ARGUMENT and not says(node, *SAFE_ARGUMENT[name]):
                yield node.lineno, f"{name} without {SAFE_ARGUMENT[name][0]}"
            if any(word.arg == "shell" and getattr(word.value, "value", True) for word in node.keywords):
                yield node.lineno, f"{name} with a shell"


def test_the_code_runs_no_data() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 300
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in files
        for line, what in faults(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_look_finds_what_it_is_for() -> None:
    program = (
        "import pickle, joblib\nfrom torch import jit\nnp.load('x')\ntorch.load('x', weights_only=False)\n"
        "pickle.loads(b'')\neval('1')\nrun('x', shell=True)\n"
    )
    assert [line for line, _ in faults(ast.parse(program))] == [1, 3, 4, 5, 6, 7]
    good = "import pickle\nnp.load('x', allow_pickle=False)\nnetwork.eval()\nre.compile('x')\n"
    assert list(faults(ast.parse(good))) == []
