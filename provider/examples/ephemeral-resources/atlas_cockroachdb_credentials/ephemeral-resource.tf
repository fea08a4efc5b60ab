ephemeral "atlas_cockroachdb_credentials" "root" {
  cluster      = "example-bank"
  certificates = "${path.root}/example-bank"
  user         = "root"
  lifetime     = "15m"
}
