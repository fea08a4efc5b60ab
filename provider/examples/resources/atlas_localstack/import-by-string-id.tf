import {
  to = atlas_localstack.us
  id = "example-us-east"
}
