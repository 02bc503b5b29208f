"""Serve this export by MLServer, behind limits: `python mlserver/serve.py`.

Each limit is an option, or a variable of the environment such as SERVE_TEXTS. `MLSERVER_HOST`,
`MLSERVER_HTTP_PORT`, `MLSERVER_GRPC_PORT` and `MLSERVER_METRICS_PORT` say where to listen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from guard.limits import Limits
from guard.server import check_ports, serve, settings_of, share_heaps


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", help="where to listen (MLSERVER_HOST, or this machine only)")
    for field in fields(Limits):
        variable = f"SERVE_{field.name.upper()}"
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=os.environ.get(variable, field.default),
            metavar="N",
            help=f"{field.metadata['help']} ({field.default:g}; {variable})",
        )
    options = vars(parser.parse_args(arguments))
    host = options.pop("host")
    folder = Path(__file__).resolve().parent
    settings = settings_of(folder, host)
    try:
        limits = Limits(**options)
        check_ports(settings)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    share_heaps()
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else ONNX Runtime writes and sends events
    asyncio.run(serve(folder, settings, limits))
    return 0


if __name__ == "__main__":
    sys.exit(main())
