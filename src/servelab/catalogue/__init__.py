"""What can be measured: stacks, servers, frameworks, workloads, and what each takes to start.

Pure: nothing here starts a process or writes a file. (`lock`, the command that renews the locks,
is run by hand.)
"""

from servelab.catalogue.behind import behind, front_of, split_front, takes_unix_socket
from servelab.catalogue.calls import (
    kinds_in_turn,
    may_wait,
    parameters_of,
    protocol_of,
    request_for,
    slow_api_calls,
    waiting_s,
    workload_names,
    workload_summary,
)
from servelab.catalogue.commands import configuration_file, launch_command, why_not_here
from servelab.catalogue.discovery import front, fronts, server, server_of, servers, stack, stacks
from servelab.catalogue.environments import environment_spec, spec_beside
from servelab.catalogue.folklore import folklore_processes, folklore_stack, rule_of
from servelab.catalogue.frameworks import (
    Framework,
    application_directory,
    framework,
    frameworks,
    served_path,
)
from servelab.catalogue.front import Front, FrontRequest, SiteRequest
from servelab.catalogue.installing import to_install, to_install_for
from servelab.catalogue.own import (
    find_own_deployments,
    obstacle_to_own,
    own_deployment,
    own_deployments,
    own_deployments_named,
    own_environment_spec,
    own_obstacles,
    own_ways,
)
from servelab.catalogue.own_command import is_own_command
from servelab.catalogue.own_module import own_module
from servelab.catalogue.selection import (
    deployments_named,
    find_deployments,
    on_python,
    published,
    split_python,
)
from servelab.catalogue.server import LaunchRequest, Naming, Needs, Server
from servelab.catalogue.stack import Published, Stack

__all__ = [
    "Framework",
    "Front",
    "FrontRequest",
    "LaunchRequest",
    "Naming",
    "Needs",
    "Published",
    "Server",
    "SiteRequest",
    "Stack",
    "application_directory",
    "behind",
    "configuration_file",
    "deployments_named",
    "environment_spec",
    "find_deployments",
    "find_own_deployments",
    "folklore_processes",
    "folklore_stack",
    "framework",
    "frameworks",
    "front",
    "front_of",
    "fronts",
    "is_own_command",
    "kinds_in_turn",
    "launch_command",
    "may_wait",
    "obstacle_to_own",
    "on_python",
    "own_deployment",
    "own_deployments",
    "own_deployments_named",
    "own_environment_spec",
    "own_module",
    "own_obstacles",
    "own_ways",
    "parameters_of",
    "protocol_of",
    "published",
    "request_for",
    "rule_of",
    "served_path",
    "server",
    "server_of",
    "servers",
    "slow_api_calls",
    "spec_beside",
    "split_front",
    "split_python",
    "stack",
    "stacks",
    "takes_unix_socket",
    "to_install",
    "to_install_for",
    "waiting_s",
    "why_not_here",
    "workload_names",
    "workload_summary",
]
