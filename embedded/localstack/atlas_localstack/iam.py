"""IAM on disk: all of it, after each request that may have changed it. It is small, and changes seldom."""

import logging
import threading

import dill
from moto.iam.models import iam_backends

from atlas_localstack.disk import Folder, at_end_of, write

NAME = "iam"
READS = ("Get", "List", "Generate", "Simulate")
LOG = logging.getLogger(__name__)


def persist(root: Folder) -> None:
    file = root.path / "backends"
    lock = threading.Lock()
    if file.exists():
        for account, regions in dill.loads(file.read_bytes()).items():
            for region, state in regions.items():
                vars(iam_backends[account][region]).update(state)

    def save(context) -> None:
        if context.operation.name.startswith(READS):
            return
        with lock:
            state = {
                account: {region: vars(backend) for region, backend in dict(regions).items()}
                for account, regions in dict(iam_backends).items()
            }
            write(file, dill.dumps(state))

    at_end_of(NAME, save)
