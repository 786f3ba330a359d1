"""`servelab doctor`: is this machine fit to measure on, and what would make it better."""

from servelab.cli import option_types, status


def doctor(as_json: option_types.AsJson = False) -> int:
    """Look at this machine for a second, and say what blurs measurements here; change nothing."""
    from servelab.host import doctor as physician
    from servelab.launch import leftovers
    from servelab.model.finding import is_fit
    from servelab.report import doctor as report
    from servelab.report import leftovers_view

    findings = physician.examine(beside=leftovers_view.findings(leftovers.find()))
    tell = report.print_json if as_json else report.print_findings
    tell(findings)
    return status.OK if is_fit(findings) else status.INVALID
