"""What a hostile server, or a hostile file, may say."""

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>"
STEERING = (
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\"
    "\x9b31m\x85\r\x08\x7f\u202egnp.exe\u2066\u061c"
)
BREAKING = "a\n# owned\n\n- item\n```\n~~~\n| x | y |\n[x](javascript:alert(1)) ![x](http://evil) `"
NAMES = (
    MARKUP,
    STEERING,
    BREAKING,
    "```\n" + MARKUP,
    "[red]bold[/red] [/] [link=http://evil]x[/link] :warning:",
    "    indented code " + MARKUP,
    "~~~ " + MARKUP,
    "-->]]>'\"&amp;{{7*7}}${7*7}%s%n",
    "x" * 1_000_000,
    ("é\u0301\U0001f600" + MARKUP) * 20_000,
    " ",
    "",
)
