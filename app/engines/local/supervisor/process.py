"""Processes: looking at them, signalling them, starting them. None is signalled before its start time is compared."""

import _signal  # type: ignore[import-not-found]
import posix

from app.engines.local.supervisor.files import read_file, write_file

TERM, KILL = 15, 9
RESET = (1, 2, 13, TERM, 17, 25)  # HUP, INT, PIPE, TERM, CHLD, XFSZ: as a program expects to find them
SUBREAPER, NO_NEW_PRIVS = 36, 38  # of prctl(2)


def stat_of(pid: int) -> tuple[int, int, str] | None:
    """Parent, process group and start time (field 22 of /proc/PID/stat); None for one that is no more."""
    try:
        fields = read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else (int(fields[1]), int(fields[2]), fields[19].decode())


def prctl(option: int) -> bool:
    return ask_libc("prctl", option, 1, 0, 0, 0) == 0


def ask_libc(name: str, *numbers: int) -> int:
    """What that function returns, of numbers; -1 where it can't be asked."""
    try:
        import _ctypes

        call = _ctypes.dlsym(_ctypes.dlopen(None, 2), name)  # type: ignore[arg-type]
        return int(_ctypes.call_function(call, numbers))
    except (ImportError, AttributeError, OSError):
        return -1


def signal_process(pid: int, start: str, number: int) -> None:
    """Signal that very process: a pid descriptor can't come to mean another one between the look and the act."""
    try:
        fd = posix.pidfd_open(pid)
    except OSError as error:
        if error.errno == 38 and (now := stat_of(pid)) and now[2] == start:  # ENOSYS: a kernel before 5.3
            posix.kill(pid, number)
        return
    try:
        if (now := stat_of(pid)) and now[2] == start:
            _signal.pidfd_send_signal(fd, number)
    except OSError:
        pass  # it ended meanwhile
    finally:
        posix.close(fd)


def descendants(root: int) -> dict[tuple[int, str], int]:
    """(Pid, start time) → process group, of all that descends from `root`, itself left out."""
    children: dict[int, list[int]] = {}
    known: dict[int, tuple[int, str]] = {}
    for name in posix.listdir("/proc"):
        if name.isdigit() and (stat := stat_of(int(name))):
            children.setdefault(stat[0], []).append(int(name))
            known[int(name)] = stat[1:]
    found: dict[tuple[int, str], int] = {}
    queue = [root]
    while queue:
        for pid in children.get(queue.pop(), ()):
            group, start = known[pid]
            found[pid, start] = group
            queue.append(pid)
    return found


def signal_tree(number: int, group: int, spared: str) -> None:
    """Send the signal once to each descendant, wherever it went: `group` (0: none) in one stroke, then the others.
    KILL goes to those born meanwhile too.

    Processes named `spared` get nothing but KILL: a wrapper must live through the grace, or it takes the job along.
    """
    if group:
        signal_group(group, number)
    sent: set[tuple[int, str]] = set()
    for _ in range(3 if number == KILL else 1):  # others born meanwhile may be what a handler has just called
        found = descendants(posix.getpid())
        fresh = found.keys() - sent
        for pid, start in fresh:
            if (not group or found[pid, start] != group) and not (number != KILL and is_named(pid, spared)):
                signal_process(pid, start, number)
        if not fresh:
            return
        sent |= fresh


def signal_group(group: int, number: int) -> None:
    try:
        posix.kill(-group, number)
    except OSError:
        return  # all of it has become another user's (sudo), and may not be signalled


def is_named(pid: int, name: str) -> bool:
    try:
        return bool(name) and read_file(f"/proc/{pid}/comm").strip().decode() == name
    except OSError:
        return True


def oom_kills(path: str | bytes) -> int:
    """The count behind `oom_kill` in a control group's events, or the machine's in /proc/vmstat."""
    try:
        lines = read_file(path).split(b"\n")
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"oom_kill "))


def start_process(argv: list[bytes], env: dict[bytes, bytes], output: int) -> int:
    """A process with `output` as its standard output and nothing else, in the supervisor's own session."""
    if not (pid := posix.fork()):
        try:
            use_descriptors(output)
            posix.execve(argv[0], argv, env)
        finally:
            posix._exit(127)
    return pid


def use_descriptors(output: int) -> None:
    nothing = posix.open("/dev/null", posix.O_RDWR)
    for source, target in ((nothing, 0), (output if output >= 0 else nothing, 1), (1, 2)):
        posix.dup2(source, target)
    _signal.set_wakeup_fd(-1)
    for number in RESET:
        _signal.signal(number, _signal.SIG_DFL)


def take_identity(uid: int, groups: list[int]) -> None:
    posix.setgroups(groups)
    posix.setresgid(uid, uid, uid)
    posix.setresuid(uid, uid, uid)
    if not prctl(NO_NEW_PRIVS):
        raise OSError(1, "the kernel refuses no_new_privs")


def enter_cgroups(paths: list[bytes]) -> None:
    for path in paths:
        write_file(path, b"0")
