ephemeral "atlas_cockroachdb_credentials" "root" {
  cluster      = "example"
  certificates = "${path.root}/certificates"
  user         = "root"
  lifetime     = "15m"
}
