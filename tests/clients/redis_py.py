"""Counts in the primary that Sentinels name, with redis-py. Arguments: the Sentinels' ports."""

import sys
import time

from redis.exceptions import RedisError
from redis.sentinel import Sentinel

sentinel = Sentinel([("127.0.0.1", int(port)) for port in sys.argv[1:]], socket_timeout=1)
primary = sentinel.master_for("mm", socket_timeout=1)
while True:
    try:
        primary.incr("redis-py")
    except RedisError as error:
        print(repr(error), flush=True)
    time.sleep(0.01)
