import {
  to = atlas_localstack_alias.us
  id = "us-east-1,http://127.0.0.1:18567,example-audit-us,example-transactions.fifo"
}
