"""Files that the supervisor reads and writes. What must survive a crash is synced here; nothing else is."""

import posix
import time

Spec = dict[str, list[bytes]]
Record = dict[str, object]

CHUNK = 1 << 16
NO_CLAIM = 100  # and the error's number, below 134 on Linux: the exit status of a supervisor that can't make its claim


def read_file(path: str | bytes) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        parts = []
        while chunk := posix.read(fd, CHUNK):
            parts.append(chunk)
        return b"".join(parts)
    finally:
        posix.close(fd)


def write_file(path: str | bytes, data: bytes, mode: int = 0o600) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, mode)
    try:
        while data:
            data = data[posix.write(fd, data) :]
    finally:
        posix.close(fd)


def make_folder(path: bytes) -> None:
    try:
        posix.mkdir(path, 0o755)
    except FileExistsError:
        return


def sync(path: str) -> None:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        posix.fsync(fd)
    finally:
        posix.close(fd)


def read_items(path: str) -> Spec:
    """NUL-ended `key=value` items; a key that comes again makes its list longer. Nothing in them needs quoting."""
    items: Spec = {}
    for item in read_file(path).split(b"\0")[:-1]:
        key, _, value = item.partition(b"=")
        items.setdefault(key.decode(), []).append(value)
    return items


def read_environment(path: str) -> dict[bytes, bytes]:
    pairs = (item.partition(b"=") for item in read_file(path).split(b"\0")[:-1])
    return {name: value for name, _, value in pairs}


def read_record(path: str) -> dict[str, str]:
    lines = read_file(path).decode("utf-8", "replace").splitlines()
    return {key: value for key, _, value in (line.partition(" ") for line in lines)}


def lines_of(record: Record) -> bytes:
    return "".join(f"{key} {value}\n" for key, value in record.items() if value is not None).encode()


def take_claim(start: str) -> bool:
    """Create `claim` with its content in one step, durably; False where another supervisor was first."""
    boot = read_file("/proc/sys/kernel/random/boot_id").decode().strip()
    record: Record = {"pid": posix.getpid(), "start": start, "boot": boot, "started": time.time()}
    mine = f"claim.{posix.getpid()}"
    try:
        write_file(mine, lines_of(record))
        posix.link(mine, "claim")
    except FileExistsError:
        return False
    finally:
        remove(mine)  # on a full disk too
    reserve_room()
    sync(".")
    return True


def reserve_room() -> None:
    """Blocks for the record of the end, and for the last words of a job that fills the disk."""
    write_file("ended.new", b" " * 4096)
    fd = posix.open("reserve", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
    try:
        posix.posix_fallocate(fd, 0, CHUNK)
    except OSError:
        pass  # a full disk, or one that can't reserve
    finally:
        posix.close(fd)


def release_room() -> None:
    remove("reserve")


def remove(path: str) -> None:
    try:
        posix.unlink(path)
    except FileNotFoundError:
        return


def write_end(outcome: Record) -> None:
    data = lines_of(outcome)
    for _ in range(600):
        try:
            write_file("ended.new", data)
            posix.truncate("ended.new", len(data))
            sync("ended.new")
            posix.rename("ended.new", "ended")
            return sync(".")
        except FileNotFoundError:
            return None  # its folder was removed: nobody will look here
        except OSError:
            time.sleep(1)  # the disk may come back, and nobody else knows how the job ended


def wake_server() -> None:
    try:
        fd = posix.open("../../wake", posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError:
        return  # no server is listening
    try:
        posix.write(fd, b"\n")
    except BlockingIOError:
        pass  # it has enough to read already
    finally:
        posix.close(fd)
