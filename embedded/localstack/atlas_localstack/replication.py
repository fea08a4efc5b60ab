"""Replication rules whose destination is on another server.

LocalStack looks for the destination among its own buckets, and refuses rules for any other. Where every region has
a server of its own, the peer's bucket is never there.
"""

from localstack.services.s3.exceptions import InvalidRequest
from localstack.services.s3.provider import S3Provider
from localstack.utils.aws.arns import s3_bucket_name
from localstack.utils.patch import patch


def accept_destinations_elsewhere() -> None:
    @patch(S3Provider.put_bucket_replication)
    def put_bucket_replication(fn, self, context, bucket, replication_configuration, **kwargs):
        store, found = self._get_cross_account_bucket(context, bucket)
        rules = replication_configuration.get("Rules") or []
        targets = [s3_bucket_name(rule.get("Destination", {}).get("Bucket", "")) for rule in rules]
        if not rules or any(target in store.buckets for target in targets):
            return fn(self, context, bucket, replication_configuration, **kwargs)
        if found.versioning_status != "Enabled":
            raise InvalidRequest(
                "Versioning must be 'Enabled' on the bucket to apply a replication configuration"
            )
        for position, rule in enumerate(rules):
            rule.setdefault("ID", str(position))
        found.replication = replication_configuration
        return None
