"""How much of a log is kept is said by its job's pool, whatever the server's settings gave that pool at first."""

from __future__ import annotations

import httpx2

from tests.peers import wait_until
from tests.peers.server import ServerMaker

MIB = 1 << 20
LINES = 40_000
RUN = f"for n in $(seq {LINES}); do echo line $n of a log that is longer than the setting; done"


def test_a_pools_own_limit_counts(new_server: ServerMaker) -> None:
    server = new_server(LATTICE_LOG_LIMIT=str(MIB))
    server.start()
    client = server.with_key("compute:write", "nodepools:write")
    (pool,) = client.get("/api/v1/node-pools").json()["items"]
    address = f"/api/v1/node-pools/{pool['id']}"
    assert client.get(address).json()["limits"]["log_limit"] == MIB
    assert len(log_of(client)) <= MIB + 1000  # and a line on what was cut
    assert client.patch(address, json={"limits": {"log_limit": 8 * MIB}}).status_code == 200
    assert log_of(client).count("of a log") == LINES


def log_of(client: httpx2.Client) -> str:
    """What a job's log holds that has run to its end."""
    job = f"/api/v1/jobs/{client.post('/api/v1/jobs', json={'run': RUN}).json()['id']}"
    wait_until(lambda: client.get(job).json()["state"] == "succeeded", what="its end", seconds=60)
    return client.get(f"{job}/logs?download=1").text
