from pathlib import Path

import pytest

from servelab.environment.pip_settings import configuration_files, pip_options, uv_settings
from servelab.environment.uv import uv_variables


def translated(variables: dict[str, str], *files: Path) -> dict[str, str]:
    return dict(uv_settings(variables, files=files).variables)


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_index_proxy_and_certificate_variables_are_translated() -> None:
    assert translated(
        {
            "PIP_INDEX_URL": "https://one.example/simple",
            "PIP_EXTRA_INDEX_URL": "https://two.example/simple https://three.example/simple",
            "PIP_FIND_LINKS": "https://four.example/wheels",
            "PIP_TRUSTED_HOST": "one.example",
            "PIP_CERT": "/certificates.pem",
            "PIP_CLIENT_CERT": "/mine.pem",
            "PIP_PROXY": "http://proxy.example:3128",
            "PIP_DEFAULT_TIMEOUT": "180",
        }
    ) == {
        "UV_DEFAULT_INDEX": "https://one.example/simple",
        "UV_INDEX": "https://two.example/simple https://three.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "https://four.example/wheels",
        "UV_INSECURE_HOST": "one.example",
        "SSL_CERT_FILE": "/certificates.pem",
        "SSL_CLIENT_CERT": "/mine.pem",
        "ALL_PROXY": "http://proxy.example:3128",
        "UV_HTTP_TIMEOUT": "180",
    }


def test_nothing_set_for_pip_is_nothing_set_for_uv() -> None:
    assert uv_settings({}, files=()).variables == ()
    assert uv_settings({}, files=()).arguments == ()


@pytest.mark.parametrize(
    ("pip", "uv"),
    [
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_INDEX_URL", "UV_INDEX_URL"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL"),
        ("PIP_CERT", "SSL_CERT_FILE"),
        ("PIP_PROXY", "HTTPS_PROXY"),
    ],
)
def test_what_is_set_for_uv_stands(pip: str, uv: str) -> None:
    assert translated({pip: "https://pip.example", uv: "https://uv.example"}) == {}


def test_offline_is_an_argument_because_uv_has_no_variable_for_it() -> None:
    assert uv_settings({"PIP_NO_INDEX": "1"}, files=()).arguments == ("--no-index",)
    assert uv_settings({"PIP_NO_INDEX": "0"}, files=()).arguments == ()


def test_folders_that_do_not_exist_are_passed_over_as_pip_does(tmp_path: Path) -> None:
    assert translated(
        {
            "PIP_EXTRA_INDEX_URL": f"file:///does/not/exist file://{tmp_path}",
            "PIP_FIND_LINKS": f"/does/not/exist {tmp_path}",
        }
    ) == {
        "UV_INDEX": f"file://{tmp_path}",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": str(tmp_path),
    }
    assert translated({"PIP_EXTRA_INDEX_URL": "file:///does/not/exist"}) == {}


def test_several_link_places_are_separated_as_uv_wants_them(tmp_path: Path) -> None:
    found = translated({"PIP_FIND_LINKS": f"{tmp_path} https://links.example"})
    assert found == {"UV_FIND_LINKS": f"{tmp_path},https://links.example"}


def test_later_files_win_then_the_install_section_then_variables(tmp_path: Path) -> None:
    one = write(tmp_path / "1", "[global]\nindex-url = one\ncert = a\n[install]\ncert = b\n")
    two = write(tmp_path / "2", "[global]\nindex_url = two\ntimeout = 5\n[list]\ncert = c\n")
    options = pip_options({"PIP_TIMEOUT": "7"}, files=(one, two, tmp_path / "none"))
    assert options == {"index-url": "two", "cert": "b", "timeout": "7"}


def test_values_over_several_lines_are_read(tmp_path: Path) -> None:
    file = write(
        tmp_path / "pip.conf",
        "[global]\nextra-index-url =\n    https://one.example\n    https://two.example\n",
    )
    assert translated({}, file)["UV_INDEX"] == "https://one.example https://two.example"


def test_a_percent_sign_and_a_broken_file_do_no_harm(tmp_path: Path) -> None:
    good = write(tmp_path / "1", "[global]\nindex-url = https://u:p%40ss@one.example\n")
    broken = write(tmp_path / "2", "no section\n")
    assert translated({}, good, broken) == {"UV_DEFAULT_INDEX": "https://u:p%40ss@one.example"}


def test_files_are_read_from_everybodys_to_the_environments_own() -> None:
    files = configuration_files({"HOME": "/home/u"}, prefix="/venv")
    assert files == (
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        Path("/home/u/.pip/pip.conf"),
        Path("/home/u/.config/pip/pip.conf"),
        Path("/venv/pip.conf"),
    )


def test_a_named_file_takes_the_place_of_the_users(tmp_path: Path) -> None:
    named = write(tmp_path / "mine.conf", "")
    files = configuration_files({"HOME": "/home/u", "PIP_CONFIG_FILE": str(named)}, prefix="/venv")
    assert files[-1] == named
    assert Path("/home/u/.config/pip/pip.conf") not in files


def test_the_null_device_switches_files_off() -> None:
    assert configuration_files({"PIP_CONFIG_FILE": "/dev/null"}) == ()


def test_what_would_change_the_build_does_not_reach_uv(tmp_path: Path) -> None:
    own = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": "/dev/null",
        "PYTHONPATH": "/leak",
        "VIRTUAL_ENV": "/leak",
        "UV_PYTHON": "/leak",
        "UV_CONSTRAINT": "/leak",
        "UV_CACHE_DIR": "/kept",
        "UV_INDEX_MINE_PASSWORD": "kept",
        "HTTPS_PROXY": "http://kept.example",
    }
    assert uv_variables(own) == {
        "HOME": str(tmp_path),
        "UV_CACHE_DIR": "/kept",
        "UV_INDEX_MINE_PASSWORD": "kept",
        "HTTPS_PROXY": "http://kept.example",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
    }
