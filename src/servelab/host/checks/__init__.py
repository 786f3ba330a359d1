"""What `servelab doctor` looks at; each check reads one thing and changes nothing."""
