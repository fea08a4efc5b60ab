terraform import atlas_localstack.us example-us-east
