# The id is the server's name.
terraform import atlas_localstack.us example-us-east
