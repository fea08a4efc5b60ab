"""LocalStack, with its state on disk where PERSISTENCE=1."""

from atlas_localstack.replication import accept_destinations_elsewhere
from localstack import config
from localstack.runtime import main


def run() -> None:
    accept_destinations_elsewhere()
    if config.PERSISTENCE:
        from atlas_localstack import iam, s3, sqs
        from atlas_localstack.disk import Folder

        state = Folder(config.dirs.data)
        for service in (s3, sqs, iam):
            service.persist(state.folder(service.NAME))
    main.main()


run()
