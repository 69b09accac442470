import os
import signal
import time

from redis.exceptions import RedisError

from barograph import settings as barograph_settings
from barograph import wiring


def test_our_own_server_is_started_again_where_it_dies_under_us(tmp_path):
    settings = barograph_settings.load(data_dir=tmp_path)
    with wiring.store_client(settings) as client:
        client.set("kept", "yes")
        time.sleep(1.1)  # the file is synced every second
        os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                assert client.get("kept") == b"yes"
                break
            except (OSError, RedisError):
                time.sleep(0.1)
        else:
            raise AssertionError("the server did not come back")
