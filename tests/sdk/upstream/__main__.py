"""A scripted upstream that speaks every provider's protocol: `python tests/sdk/upstream`.

Prints its address and ends with its standard input, so that it does not outlive the suite that started
it. `scenario.py` has the scenes, `protocols/` the shapes, `server.py` what a test may ask it.
"""

import sys
import threading

from server import Server


def main() -> None:
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
