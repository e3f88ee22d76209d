"""The one error of backup and restore."""


class BackupError(Exception):
    """A backup can't be made or put back; the message is one sentence."""
