"""What is stored tells no credentials."""

import pytest

from servelab.store import redaction


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
        ("http://me:secret@127.0.0.1/x", "http://***@127.0.0.1/x"),
        ("http://secret@127.0.0.1/x", "http://***@127.0.0.1/x"),
        ("http://a:b@c@127.0.0.1/x", "http://***@127.0.0.1/x"),
        ("http://127.0.0.1/a@b", "http://127.0.0.1/a@b"),
        ("pkg @ https://me:secret@index.example/p.whl", "pkg @ https://***@index.example/p.whl"),
        ("http://h/?api_key=1&n=2&Token=3#x", "http://h/?api_key=***&n=2&Token=***#x"),
        ("http://h/?monkey=", "http://h/?monkey="),
        ("Authorization: Bearer x y", "Authorization: ***"),
        ("-HAuthorization: Bearer x", "-HAuthorization: ***"),
        ("--header=Cookie: a=b", "--header=Cookie: ***"),
        ("x-api-key:1", "x-api-key: ***"),
        ("X-Auth-Token: a\nb", "X-Auth-Token: ***"),
        ("Accept: text/html", "Accept: text/html"),
        ("--requests", "--requests"),
        ("sync-uwsgi:processes=2,threads=50", "sync-uwsgi:processes=2,threads=50"),
    ],
)
def test_credentials_are_hidden_and_nothing_else(typed: str, stored: str) -> None:
    assert redaction.argument(typed) == stored
