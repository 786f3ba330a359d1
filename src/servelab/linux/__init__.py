"""What the kernel knows of processes, sockets and CPUs.

``procfs`` and ``prctl`` need the standard library only: the supervisor imports them, too.
"""
