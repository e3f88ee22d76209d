"""What WorkOS is called: by identities, and to people."""

NAME = "workos"
LABEL = "WorkOS"
