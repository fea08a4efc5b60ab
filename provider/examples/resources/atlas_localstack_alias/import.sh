# The id is REGION,ENDPOINT,BUCKET,QUEUE; leave out the last where there is no queue.
terraform import atlas_localstack_alias.us us-east-1,http://127.0.0.1:18567,example-audit-us,example-transactions.fifo
