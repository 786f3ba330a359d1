"""Point 1: server and stack definitions are code; arguments are lists, never a shell's text."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.fake_world import Script, World

import servelab
from servelab import catalogue
from servelab.model.address import Address

SOURCES = sorted(Path(servelab.__file__).parent.rglob("*.py"))
SHELLS = {
    *("os.system", "os.popen", "os.spawnl", "os.spawnlp", "pty.spawn", "commands.getoutput"),
    *("subprocess.getoutput", "subprocess.getstatusoutput"),
    *("asyncio.create_subprocess_shell",),
}
MAKES_CODE_OF_TEXT = {
    *("eval", "exec", "compile", "__import__"),
    *("pickle.load", "pickle.loads", "marshal.load", "marshal.loads", "shelve.open"),
    *("yaml.load", "numpy.load", "np.load"),
}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def offences(names: set[str]) -> list[str]:
    return [
        f"{path.name}:{node.lineno}: {name}"
        for path in SOURCES
        for name, node in calls(path)
        if name in names
    ]


def test_point_1_no_shell_is_ever_asked() -> None:
    assert len(SOURCES) > 100
    assert offences(SHELLS) == []
    with_shell = [
        f"{path.name}:{node.lineno}"
        for path in SOURCES
        for _, node in calls(path)
        for keyword in node.keywords
        if keyword.arg == "shell"
    ]
    assert with_shell == []


def test_point_1_no_text_is_made_code() -> None:
    assert offences(MAKES_CODE_OF_TEXT) == []


@pytest.mark.parametrize("stack", catalogue.stacks(), ids=lambda stack: stack.name)
def test_point_1_commands_are_lists_of_words(stack: catalogue.Stack) -> None:
    for deployment in stack.deployments:
        command = catalogue.launch_command(
            deployment, address=Address("127.0.0.1", 3000), longest_drain_s=1, cpu_count=2
        )
        assert isinstance(command.argv, tuple)
        assert all(isinstance(word, str) and word for word in command.argv)
        assert command.argv[0] not in {"sh", "bash", "env"}


def test_point_1_the_exact_command_is_printed(run: Run) -> None:
    _, printed, _ = run(World({"flask": Script()}), "run", "sync-devserver", "cpu")
    assert "\n$ flask run --no-reload --without-threads --host 127.0.0.1 --port 3000\n" in printed
