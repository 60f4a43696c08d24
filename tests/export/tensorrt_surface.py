"""TensorRT's Python interface as it is published, without TensorRT: to read code against and to run it on."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RECORD = json.loads(Path(__file__).with_name("tensorrt_api.json").read_text())
RELEASES: dict[str, dict[str, Any]] = {entry["version"]: entry["classes"] for entry in RECORD["releases"]}
MODULE = "tensorrt"
Types = dict[str, str | None]


def misuses(source: str, classes: dict[str, Any], parameters: dict[str, str]) -> list[str]:
    """List what a module asks of TensorRT that a release does not have.

    `parameters` gives the classes of function parameters by name; everything else follows from what the
    calls return.
    """
    found: list[str] = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            arguments = {argument.arg for argument in function.args.args + function.args.kwonlyargs}
            types: Types = {name: parameters[name] for name in arguments & set(parameters)}
            _Reader(classes, types, found).generic_visit(function)
    return found


class _Reader(ast.NodeVisitor):
    def __init__(self, classes: dict[str, Any], types: Types, found: list[str]) -> None:
        self.classes, self.types, self.found = classes, types, found

    def visit_Assign(self, node: ast.Assign) -> None:
        kind = self.kind(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.types[target.id] = kind
            else:
                self.kind(target)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.kind(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.kind(node)

    def kind(self, node: ast.AST) -> str | None:
        """Return the class of an expression where it is one of TensorRT's, and note what does not exist."""
        if isinstance(node, ast.Name):
            return self.types.get(node.id)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Attribute):
            owner = self.kind(node.value)
            if owner is not None:
                return self._member(owner, node.attr)
            return None
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.comprehension):
                self.visit(child)
            else:
                self.kind(child)
        return None

    def _member(self, owner: str, name: str) -> str | None:
        if owner == MODULE:
            if name == "__version__":
                return None
            if name not in self.classes:
                self.found.append(f"tensorrt.{name}")
                return None
            return f"class {name}"
        described = self.classes[owner.removeprefix("class ")]
        if name in described["methods"]:
            return f"method {owner.removeprefix('class ')}.{name}"
        if name not in described["attributes"] + described["constants"]:
            self.found.append(f"{owner.removeprefix('class ')}.{name}")
        return None

    def _call(self, node: ast.Call) -> str | None:
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.kind(argument)
        if isinstance(node.func, ast.Name) and node.func.id == "load_tensorrt":
            return MODULE
        called = self.kind(node.func)
        if called is None or called == MODULE or " " not in called:
            return None
        sort, _, name = called.partition(" ")
        owner, method = (name, "__init__") if sort == "class" else tuple(name.split("."))
        signature = self.classes[owner]["methods"].get(method)
        if signature is None:
            self.found.append(f"{owner}()")
            return None
        given = len(node.args) + len(node.keywords)
        unknown = {keyword.arg for keyword in node.keywords} - set(signature["args"])
        if unknown or not signature["required"] <= given <= len(signature["args"]):
            self.found.append(f"{owner}.{method} with {given} arguments")
        return owner if sort == "class" else signature.get("returns") or None


class Fake:
    """An object of a class of the record, which has what the class has and nothing else."""

    def __init__(self, kind: str, release: FakeRelease) -> None:
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_release", release)

    def __getattr__(self, name: str) -> Any:
        described = self._release.classes[self._kind]
        key = f"{self._kind}.{name}"
        if name in described["methods"]:
            return lambda *given: self._release.called(key, described["methods"][name], given)
        if name in described["attributes"]:
            return self._release.answers.get(key)
        raise AttributeError(key)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._release.classes[self._kind]["attributes"]:
            raise AttributeError(f"{self._kind}.{name}")
        self._release.calls.append((f"{self._kind}.{name} =", (value,)))

    def __bytes__(self) -> bytes:
        return bytes(self._release.answers[self._kind])


class FakeRelease:
    """A release of TensorRT that builds nothing and remembers what was asked of it.

    `answers` gives what calls and attributes return, by ``Class.name``, and the bytes of classes.
    """

    def __init__(self, version: str, answers: dict[str, Any]) -> None:
        self.classes = RELEASES[version]
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.answers = answers
        self.module = SimpleNamespace(__version__=version)
        for name, described in self.classes.items():
            made = self._maker(name)
            for number, constant in enumerate(described["constants"]):
                setattr(made, constant, number)
            setattr(self.module, name, made)

    def _maker(self, name: str) -> Any:
        def make(*given: Any) -> Fake:
            self.called(f"{name}.__init__", self.classes[name]["methods"]["__init__"], given)
            return Fake(name, self)

        return make

    def called(self, key: str, signature: dict[str, Any], given: tuple[Any, ...]) -> Any:
        if not signature["required"] <= len(given) <= len(signature["args"]):
            raise TypeError(f"{key} with {len(given)} arguments")
        self.calls.append((key, given))
        if key in self.answers:
            answer = self.answers[key]
            return answer(*given) if callable(answer) else answer
        returned = signature.get("returns")
        return Fake(returned, self) if returned else None

    def asked(self, key: str) -> list[tuple[Any, ...]]:
        return [given for name, given in self.calls if name == key]
