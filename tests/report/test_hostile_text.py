"""What a server wrote cannot steer a terminal or a page."""

from servelab.report.markdown import escape
from servelab.report.plain_text import plain


def test_control_codes_do_not_reach_a_terminal() -> None:
    hostile = "a\x1b[2Jb\x07c\x9bd\re"
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in plain(hostile))


def test_markdown_shows_markup_as_text() -> None:
    assert escape("<script>|`*_[x](y)\n# z") == r"\<script\>\|\`\*\_\[x\](y) \# z"
